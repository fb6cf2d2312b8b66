"""Cleanup of parts: floaters, smoothing, and pieces that touch nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import trimesh
from jaxtyping import Bool, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from apg_core.geometry.parts.contact import reached
from apg_core.geometry.parts.simplification import simplify
from apg_core.geometry.values import Cleaned
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions

TOUCHING = 0.001  # length; pieces this near to each other are connected
# Taubin's two passes: one that shrinks, one that grows a little more, so that the volume stays.
SHRINK, GROW = 0.5, 0.53


def clean_part(mesh: TriangleMesh, options: CleanupOptions) -> Cleaned:
    """Simplified to `simplify_faces`, then without floaters; unchanged where `postprocess` is off."""
    if not options.postprocess or mesh.is_empty:
        return Cleaned(mesh, ())
    notes = []
    kept = mesh
    if 0 < options.simplify_faces < len(mesh.faces):
        kept, note = simplify(mesh, options.simplify_faces, aggressiveness=options.simplify_aggressiveness)
        notes.append(note)
    without = drop_floaters(kept, options.floater_share)
    if len(without.faces) < len(kept.faces):
        notes.append(f"dropped floaters of {len(kept.faces) - len(without.faces)} faces")
    return Cleaned(without, tuple(notes))


def simplified(mesh: TriangleMesh, options: CleanupOptions) -> Cleaned:
    """A fitted part: as it was cut, unless `simplify_fitted` asks for fewer faces. Nothing is dropped."""
    if not (options.postprocess and options.simplify_fitted and 0 < options.simplify_faces < len(mesh.faces)):
        return Cleaned(mesh, ())
    reduced, note = simplify(mesh, options.simplify_faces, aggressiveness=options.simplify_aggressiveness)
    return Cleaned(reduced, (note,))


def drop_floaters(mesh: TriangleMesh, share: float) -> TriangleMesh:
    """The mesh without connected components under this share of its area; the largest one always stays."""
    labels = face_components(mesh)
    areas = np.bincount(labels, trimesh.triangles.area(mesh.vertices[mesh.faces]))
    keep = areas >= share * areas.sum()
    keep[areas.argmax()] = True
    return keep_faces(mesh, keep[labels])


def smooth(mesh: TriangleMesh, iterations: int) -> TriangleMesh:
    """Taubin smoothing: irons out noise, and keeps the volume."""
    smoothed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    trimesh.smoothing.filter_taubin(smoothed, lamb=SHRINK, nu=GROW, iterations=2 * iterations)
    return replace(mesh, vertices=np.asarray(smoothed.vertices, mesh.vertices.dtype))


def connected_scene(meshes: Sequence[TriangleMesh]) -> list[TriangleMesh]:
    """The meshes without components that do not touch the first mesh, directly or through others.

    Components touch where their surfaces meet or come within `TOUCHING`; a mesh of which nothing is left is empty.
    """
    labels = [face_components(mesh) for mesh in meshes]
    pieces = [
        [keep_faces(mesh, label == number) for number in range(label.max(initial=-1) + 1)]
        for mesh, label in zip(meshes, labels, strict=True)
    ]
    start = [place == 0 for place, some in enumerate(pieces) for _ in some]
    kept = iter(reached([piece for some in pieces for piece in some], start, tolerance=TOUCHING))
    keep = [np.array([next(kept) for _ in some], bool) for some in pieces]
    return [keep_faces(mesh, share[label]) for mesh, label, share in zip(meshes, labels, keep, strict=True)]


def face_components(mesh: TriangleMesh) -> Int[np.ndarray, " F"]:
    """For each face, the number of the connected component it is in; faces connect through shared vertices."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(len(mesh.vertices),) * 2)
    _, of_vertex = connected_components(graph, directed=False)
    of_face = of_vertex[mesh.faces[:, 0]]
    used = np.zeros(len(mesh.vertices), bool)
    used[of_face] = True
    return (np.cumsum(used) - 1)[of_face]  # without the numbers of vertices that no face uses


def keep_faces(mesh: TriangleMesh, keep: Bool[np.ndarray, " F"]) -> TriangleMesh:
    """These faces, and the vertices that they use."""
    if keep.all():
        return mesh
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    source = None if mesh.source is None else mesh.source[keep]
    return TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3).astype(mesh.faces.dtype), source)
