"""Edges of a closed surface at which more than two faces meet: each two that hold a wedge of solid get an edge of their
own, with the same ends and a middle for itself. The library of solids would pair them by chance, and move faces."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int

from apg_core.protocol.mesh import TriangleMesh

Face = tuple[int, int, int]


def without_crowded_edges(mesh: TriangleMesh) -> TriangleMesh:
    """The same surface, of which each edge has two faces; edges where faces do not turn against each other stay."""
    ends = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    edges, number, count = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(count > 2)
    if len(crowded) == 0:
        return mesh
    order = np.argsort(number.reshape(-1), kind="stable")
    starts = np.searchsorted(number.reshape(-1)[order], crowded)
    faces: list[list[Face]] = [[face] for face in map(tuple, mesh.faces.tolist())]
    middles: list[np.ndarray] = []
    for edge, start in zip(crowded, starts, strict=True):
        around = order[start : start + count[edge]] // 3
        for pair in _wedges(mesh, edges[edge], around):
            middle = len(mesh.vertices) + len(middles)
            middles.append(mesh.vertices[edges[edge]].mean(axis=0))
            for face in pair:
                faces[face] = [half for one in faces[face] for half in _halves(one, edges[edge].tolist(), middle)]
    source = np.repeat(np.arange(len(faces)) if mesh.source is None else mesh.source, [len(some) for some in faces])
    flat = np.array([face for some in faces for face in some], mesh.faces.dtype)
    return TriangleMesh(np.concatenate([mesh.vertices, *(middle[None] for middle in middles)]), flat, source)


def _wedges(
    mesh: TriangleMesh, edge: Int[np.ndarray, " 2"], around: Int[np.ndarray, " K"]
) -> Iterator[tuple[int, int]]:
    """Faces around an edge, two and two with solid between them; none where as many do not turn one way as the other.

    Going round the edge to the right, solid begins behind a face that goes along it backwards, and ends before one
    that goes forwards: brackets that open and close.
    """
    start, end = mesh.vertices[edge].astype(np.float64)
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-300)
    faces = mesh.faces[around]
    third = mesh.vertices[faces.sum(axis=1) - edge.sum()] - start
    across = third - np.outer(third @ along, along)
    first = across[0]
    angle = np.arctan2(np.cross(first, across) @ along, across @ first) % (2 * np.pi)
    opens = (np.roll(faces, -1, axis=1)[faces == edge[0]] != edge[1]).astype(int) * 2 - 1
    turn = np.argsort(angle, kind="stable")
    depth = opens[turn].cumsum()
    if depth[-1] != 0:
        return
    waiting: list[int] = []
    for place in np.roll(turn, -(int(depth.argmin()) + 1)):
        if opens[place] > 0:
            waiting.append(int(around[place]))
        else:
            yield waiting.pop(), int(around[place])


def _halves(face: Face, edge: Sequence[int], middle: int) -> list[Face]:
    """The face, divided at the middle of this edge if it has it."""
    for a, b, c in (face, face[1:] + face[:1], face[2:] + face[:2]):
        if {a, b} == set(edge):
            return [(a, middle, c), (middle, b, c)]
    return [face]
