"""Cleanup of parts: simplification, floaters, smoothing, and pieces that touch nothing."""

import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Bool, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from apg_core.geometry.contact import reached
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions

log = logging.getLogger(__name__)

FLOATER_SHARE = 0.01  # of a part's area; components below it are dropped
TOUCHING = 0.001  # length; pieces this near to each other are connected
# Taubin's two passes: one that shrinks, one that grows a little more, so that the volume stays.
SHRINK, GROW = 0.5, 0.53
# A gentle push may stop far above the target: then the next harder one is tried, up to the library's own default,
# as long as a closed surface stays closed.
HARDER_PUSHES, ENOUGH = (3.0, 5.0, 7.0), 1.05


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A part after cleanup, and what was done to it in words."""

    mesh: TriangleMesh
    notes: tuple[str, ...]


def clean_part(mesh: TriangleMesh, options: CleanupOptions) -> Cleaned:
    """Simplified to `simplify_faces`, then without floaters; unchanged where `postprocess` is off."""
    if not options.postprocess or mesh.is_empty:
        return Cleaned(mesh, ())
    notes = []
    kept = mesh
    if 0 < options.simplify_faces < len(mesh.faces):
        kept, note = simplify(mesh, options.simplify_faces, aggressiveness=options.simplify_aggressiveness)
        notes.append(note)
    without = drop_floaters(kept)
    if len(without.faces) < len(kept.faces):
        notes.append(f"dropped floaters of {len(kept.faces) - len(without.faces)} faces")
    return Cleaned(without, tuple(notes))


def simplify(mesh: TriangleMesh, target: int, *, aggressiveness: float) -> tuple[TriangleMesh, str]:
    """Quadric simplification to about `target` faces by the first library that is here, and a note on what happened."""
    for package, reduce in _SIMPLIFIERS.items():
        if importlib.util.find_spec(package) is not None:
            reduced = reduce(mesh, target, aggressiveness)
            return reduced, f"simplified from {len(mesh.faces)} to {len(reduced.faces)} faces"
    log.warning("no simplifier installed; install fast-simplification")
    return mesh, f"left at {len(mesh.faces)} faces: no simplifier installed, install fast-simplification"


def drop_floaters(mesh: TriangleMesh) -> TriangleMesh:
    """The mesh without connected components under 1 % of its area; the largest one always stays."""
    labels = face_components(mesh)
    areas = np.bincount(labels, trimesh.triangles.area(mesh.vertices[mesh.faces]))
    keep = areas >= FLOATER_SHARE * areas.sum()
    keep[areas.argmax()] = True
    return keep_faces(mesh, keep[labels])


def smooth(mesh: TriangleMesh, iterations: int) -> TriangleMesh:
    """Taubin smoothing: irons out noise, and keeps the volume."""
    smoothed = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    trimesh.smoothing.filter_taubin(smoothed, lamb=SHRINK, nu=GROW, iterations=2 * iterations)
    return TriangleMesh(np.asarray(smoothed.vertices, mesh.vertices.dtype), mesh.faces)


def connected_scene(meshes: Sequence[TriangleMesh], *, tolerance: float = TOUCHING) -> list[TriangleMesh]:
    """The meshes without components that do not touch the first mesh, directly or through others.

    Components touch where their surfaces meet or come within `tolerance`; a mesh of which nothing is left is empty.
    """
    labels = [face_components(mesh) for mesh in meshes]
    pieces = [
        [keep_faces(mesh, label == number) for number in range(label.max(initial=-1) + 1)]
        for mesh, label in zip(meshes, labels, strict=True)
    ]
    start = [place == 0 for place, some in enumerate(pieces) for _ in some]
    kept = iter(reached([piece for some in pieces for piece in some], start, tolerance=tolerance))
    keep = [np.array([next(kept) for _ in some], bool) for some in pieces]
    return [keep_faces(mesh, share[label]) for mesh, label, share in zip(meshes, labels, keep, strict=True)]


def face_components(mesh: TriangleMesh) -> Int[np.ndarray, " F"]:
    """For each face, the number of the connected component it is in; faces connect through shared vertices."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(len(mesh.vertices),) * 2)
    _, of_vertex = connected_components(graph, directed=False)
    _, of_face = np.unique(of_vertex[mesh.faces[:, 0]], return_inverse=True)
    return of_face


def keep_faces(mesh: TriangleMesh, keep: Bool[np.ndarray, " F"]) -> TriangleMesh:
    """These faces, and the vertices that they use."""
    if keep.all():
        return mesh
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    return TriangleMesh(mesh.vertices[used], faces.reshape(-1, 3).astype(mesh.faces.dtype))


def _fast_simplification(mesh: TriangleMesh, target: int, aggressiveness: float) -> TriangleMesh:
    import fast_simplification

    closed, reduced = _is_closed(mesh), mesh
    for push in (aggressiveness, *(level for level in HARDER_PUSHES if level > aggressiveness)):
        vertices, faces = fast_simplification.simplify(
            mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), target_count=target, agg=push
        )
        pushed = TriangleMesh(vertices, faces)
        if closed and not _is_closed(pushed):
            break
        reduced = pushed
        if len(faces) <= target * ENOUGH:
            break
    return reduced


def _is_closed(mesh: TriangleMesh) -> bool:
    return bool(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight)


def _pymeshlab(mesh: TriangleMesh, target: int, _aggressiveness: float) -> TriangleMesh:
    import pymeshlab

    scene = pymeshlab.MeshSet()
    scene.add_mesh(pymeshlab.Mesh(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32)))
    scene.meshing_decimation_quadric_edge_collapse(targetfacenum=target, preservetopology=True)
    reduced = scene.current_mesh()
    return TriangleMesh(reduced.vertex_matrix().astype(np.float32), reduced.face_matrix().astype(np.int32))


def _open3d(mesh: TriangleMesh, target: int, _aggressiveness: float) -> TriangleMesh:
    import open3d

    solid = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        open3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    reduced = solid.simplify_quadric_decimation(target)
    return TriangleMesh(
        np.asarray(reduced.vertices, np.float32), np.asarray(reduced.triangles, np.int32).reshape(-1, 3)
    )


_SIMPLIFIERS: dict[str, Callable[[TriangleMesh, int, float], TriangleMesh]] = {
    "fast_simplification": _fast_simplification,
    "pymeshlab": _pymeshlab,
    "open3d": _open3d,
}
