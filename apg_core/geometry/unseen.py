"""What of a given mesh can be seen from nowhere outside, and the mesh without it."""

from dataclasses import dataclass

import manifold3d
import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.dressing import dress
from apg_core.geometry.parts.cleanup import face_components
from apg_core.geometry.rays import ray_scene
from apg_core.protocol.mesh import TriangleMesh

_DIRECTIONS = 128
_WITHIN = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]], np.float64)
"""Weights of corners: places of a face that are looked at."""
_LIFT = 1e-4  # of the mesh's size, off the face
_NONE = 1e-4  # share of a surface that is no more than rounding
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, eq=False)
class Cleared:
    """A mesh without what cannot be seen, and in words what that was."""

    mesh: TriangleMesh
    notes: tuple[str, ...]


def without_unseen(mesh: TriangleMesh) -> Cleared:
    """The mesh without shells that cannot be seen from outside, and without what lies within its other solids.

    The second by their union, where all of them are closed; where one is not, hidden faces stay, and a note says so.
    Faces keep their looks.
    """
    component = face_components(_welded(mesh))
    seen = seen_faces(mesh)
    shown = np.zeros(component.max() + 1, bool)
    shown[component[seen]] = True
    notes = []
    kept = shown[component]
    if not kept.any():  # nothing is seen of a mesh without size; it is refused elsewhere
        return Cleared(mesh, ())
    if not kept.all():
        count = len(shown) - int(shown.sum())
        notes.append(f"clean_input removed {count} inner shells of {int((~kept).sum()):,} faces")
    outer = of_faces(mesh, np.flatnonzero(kept))
    hidden = int((kept & ~seen).sum())
    joined = _union(outer, component[kept]) if shown.sum() > 1 else None
    if joined is None and hidden:
        notes.append(f"clean_input left {hidden:,} hidden faces: the solids that they are of are not all closed")
    if joined is not None and (within := 1 - _area(joined) / _area(outer)) > _NONE:
        notes.append(f"clean_input joined {int(shown.sum())} solids: {within:.1%} of their surface was within others")
        outer = joined
    return Cleared(outer, tuple(notes))


def seen_faces(mesh: TriangleMesh) -> Bool[np.ndarray, " F"]:
    """Faces of which a ray gets away from either side, in one of many directions."""
    scene = ray_scene(mesh)
    size = float(np.ptp(mesh.vertices, axis=0).max())
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    seen = np.zeros(len(corners), bool)
    for weights in _WITHIN / _WITHIN.sum(axis=1, keepdims=True):
        places = np.einsum("fcx,c->fx", corners, weights)
        for direction in _sphere(_DIRECTIONS):
            open_ = np.flatnonzero(~seen)
            side = np.where(normals[open_] @ direction >= 0, 1.0, -1.0)[:, None]
            lifted = places[open_] + _LIFT * size * side * normals[open_]
            seen[open_] = ~scene.blocked(lifted, np.broadcast_to(direction, lifted.shape))
    return seen


def of_faces(mesh: TriangleMesh, faces: Int[np.ndarray, " K"]) -> TriangleMesh:
    """These faces of a mesh, with their looks."""
    used, corners = np.unique(mesh.faces[faces], return_inverse=True)
    look = None if mesh.look is None else mesh.look.of_faces(faces)
    return TriangleMesh(mesh.vertices[used], corners.reshape(-1, 3).astype(mesh.faces.dtype), look=look)


def _union(mesh: TriangleMesh, component: Int[np.ndarray, " F"]) -> TriangleMesh | None:
    """The components as one solid; None where one of them is not closed, or inside out."""
    solids = []
    for number in np.unique(component):
        faces = np.flatnonzero(component == number)
        own = _welded(of_faces(TriangleMesh(mesh.vertices, mesh.faces), faces))
        corners, numbers = own.faces.astype(np.uint64), faces.astype(np.uint64)
        solid = manifold3d.Manifold(manifold3d.Mesh64(own.vertices.astype(np.float64), corners, face_id=numbers))
        if solid.status() != manifold3d.Error.NoError or solid.volume() <= 0:
            return None
        solids.append(solid)
    joined = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add).to_mesh64()
    vertices, faces = np.asarray(joined.vert_properties)[:, :3], np.asarray(joined.tri_verts).astype(np.int64)
    whole = TriangleMesh(vertices, faces, np.asarray(joined.face_id).astype(np.int64))
    if mesh.look is None:
        return TriangleMesh(whole.vertices, whole.faces)
    return TriangleMesh(whole.vertices, whole.faces, look=dress(whole, mesh, mesh.look).without_unused())


def _area(mesh: TriangleMesh) -> float:
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces].astype(np.float64), 1, 0)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _welded(mesh: TriangleMesh) -> TriangleMesh:
    """Vertices in one place as one."""
    places, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return TriangleMesh(places, place.reshape(-1)[mesh.faces])


def _sphere(count: int) -> Float[np.ndarray, "K 3"]:
    """Directions spread evenly (Fibonacci's lattice)."""
    step = np.arange(count) + 0.5
    height = 1 - 2 * step / count
    radius = np.sqrt(1 - height**2)
    angle = _GOLDEN_ANGLE * step
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)
