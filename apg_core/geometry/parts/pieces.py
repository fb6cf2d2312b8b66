"""Cuts a closed solid into nearly convex pieces, along the planes of faces that meet in a hollow edge."""

import heapq
from dataclasses import dataclass

import manifold3d
import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.mesh import TriangleMesh

HOLLOW = np.radians(20.0)
"""Edges that turn inwards by more than this are where something is joined to something."""
TRIED = 10
"""Planes that are tried on one piece, those along the most hollow edge first."""


@dataclass(frozen=True, order=True)
class _Piece:
    excess: float
    """Minus the volume between the piece and its convex hull, so that the most hollow one comes first."""
    number: int
    solid: manifold3d.Manifold


def solid_of(mesh: TriangleMesh) -> manifold3d.Manifold | None:
    """The mesh as a solid with outward faces, corners at one place made one; None where it is not closed."""
    vertices, inverse = np.unique(mesh.vertices.astype(np.float64), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[mesh.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    corners = vertices[faces]
    if np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0:
        faces = faces[:, ::-1]
    solid = _solid(vertices, faces)
    return None if solid.status() != manifold3d.Error.NoError or solid.is_empty() else solid


def _solid(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> manifold3d.Manifold:
    return manifold3d.Manifold(manifold3d.Mesh64(vertices, np.ascontiguousarray(faces).astype(np.uint64)))


def mesh_of(solid: manifold3d.Manifold) -> TriangleMesh:
    """The surface of a solid."""
    mesh = solid.to_mesh64()
    return TriangleMesh(np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts).astype(np.int64))


def convex_pieces(
    solid: manifold3d.Manifold, *, most: int = 32, smallest_gain: float = 0.004, area_weight: float = 0.1
) -> list[manifold3d.Manifold]:
    """Pieces that make up the solid, the fewest cuts first.

    Greedy: of the piece with the most air in its hull, the plane is taken that saves most of that air for its cut.
    """
    volume = solid.hull().volume()
    waiting: list[_Piece] = []
    done: list[manifold3d.Manifold] = []
    for number, part in enumerate(_apart(solid)):
        heapq.heappush(waiting, _Piece(-_air(part), number, part))
    number = len(waiting)
    while waiting:
        piece = heapq.heappop(waiting)
        if len(waiting) + len(done) + 2 > most or -piece.excess < smallest_gain * volume:
            done.append(piece.solid)
            continue
        best, gain = None, 0.0
        hull_volume, area = piece.solid.hull().volume(), piece.solid.surface_area()
        for normal, offset in hollow_planes(piece.solid):
            sides = piece.solid.split_by_plane(normal, offset)
            if min(side.volume() for side in sides) < 1e-4 * piece.solid.volume():
                continue
            apart = [one for side in sides for one in _apart(side)]
            saved = -piece.excess - sum(_air(one) for one in apart)
            cut = (sum(side.surface_area() for side in sides) - area) / 2
            score = saved / hull_volume - area_weight * cut / area
            if saved > smallest_gain * volume / 2 and score > gain:
                best, gain = apart, score
        if best is None:
            done.append(piece.solid)
            continue
        for one in best:
            number += 1
            heapq.heappush(waiting, _Piece(-_air(one), number, one))
    return done


def _apart(solid: manifold3d.Manifold) -> list[manifold3d.Manifold]:
    """What is not connected, as solids of their own; a hollow inside stays with what surrounds it."""
    outer, inner = [], []
    for surface in solid.decompose():
        volume = surface.volume()
        if volume > 0:
            outer.append(surface)
        elif volume < 0:
            mesh = mesh_of(surface)
            inner.append(_solid(mesh.vertices, mesh.faces[:, ::-1]))
    for i, shell in enumerate(outer if inner else []):
        box = np.array(shell.bounding_box())
        boxes = [np.array(hollow.bounding_box()) for hollow in inner]
        within = [
            hollow
            for hollow, at in zip(inner, boxes, strict=True)
            if (at[:3] > box[:3]).all() and (at[3:] < box[3:]).all()
        ]
        outer[i] = manifold3d.Manifold.batch_boolean([shell, *within], manifold3d.OpType.Subtract)
    return outer


def _air(solid: manifold3d.Manifold) -> float:
    return max(solid.hull().volume() - solid.volume(), 0.0)


def hollow_planes(solid: manifold3d.Manifold) -> list[tuple[Float[np.ndarray, " 3"], float]]:
    """Planes (unit normal, offset) of the faces beside hollow edges, by the length of these edges."""
    mesh = mesh_of(solid)
    vertices, faces = mesh.vertices, mesh.faces
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    owner = np.repeat(np.arange(len(faces)), 3)[order]
    a, b = owner[0::2], owner[1::2]
    ends = vertices[edges[order][0::2]]
    # Hollow: the other face's middle lies before this face.
    middle = corners.mean(axis=1)
    turn = np.arccos(np.clip((normals[a] * normals[b]).sum(axis=1), -1, 1))
    hollow = (turn > HOLLOW) & (((middle[b] - middle[a]) * normals[a]).sum(axis=1) > 0)
    length = np.linalg.norm(ends[hollow, 1] - ends[hollow, 0], axis=1)
    planes: dict[tuple[int, ...], list[float | int]] = {}
    for face, weight, point in [
        *zip(a[hollow], length, ends[hollow, 0], strict=True),
        *zip(b[hollow], length, ends[hollow, 0], strict=True),
    ]:
        normal = normals[face]
        offset = float(normal @ point)
        sign = 1 if tuple(normal.round(3)) >= tuple((-normal).round(3)) else -1
        key = (*np.round(sign * normal * 20).astype(int), round(sign * offset * 50))
        entry = planes.setdefault(key, [0.0, face, offset])
        entry[0] += weight
    ranked = sorted(planes.values(), key=lambda entry: -entry[0])[:TRIED]
    return [(normals[face], offset) for _, face, offset in ranked]
