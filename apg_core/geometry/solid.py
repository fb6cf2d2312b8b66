"""Which lattice points a mesh encloses, and how far points are from it; open and overlapping meshes included."""

import igl
import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.lattice import Grid, distinct
from apg_core.geometry.lines import triangles_across_lines
from apg_core.protocol.mesh import TriangleMesh

MOST_CROSSINGS = 32
"""Of a lattice line with a surface, on average; beyond it a mesh is a tangle that has no inside to speak of."""


def enclosed(mesh: TriangleMesh, grid: Grid) -> Bool[np.ndarray, "n n n"]:
    """The points that the mesh winds around more than half (generalised winding number, Jacobson et al. 2013).

    For closed meshes, also where they overlap, those are the points inside; where a mesh has holes they close it.
    Between two crossings of the surface along a lattice line, the points have the answer of both ends where these
    agree (a line through a hole may have one that does not), so the cost grows with the surface, not with the volume.
    A tangle that lines cross more than `MOST_CROSSINGS` times on average encloses nothing.
    """
    resolution = grid.resolution
    inside = np.zeros((resolution**2, resolution), bool)
    if mesh.is_empty:
        return inside.reshape((resolution,) * 3)
    places = (mesh.vertices.astype(np.float64) - grid.low) / grid.spacing
    a, b, c = (places[mesh.faces[:, corner]] for corner in range(3))
    if _seen_area(a, b, c) > MOST_CROSSINGS * resolution**2:
        return inside.reshape((resolution,) * 3)
    crossings = np.concatenate([np.zeros((0, 3)), *triangles_across_lines(a, b, c, axis=2)])
    behind = np.floor(crossings).astype(np.int64) + np.array([0, 0, 1])  # the first point behind the surface
    behind = behind[((behind[:, :2] >= 0) & (behind[:, :2] < resolution)).all(axis=1)]
    lines = distinct(behind[:, 0] * resolution + behind[:, 1])
    within = (behind[:, 2] >= 0) & (behind[:, 2] < resolution)
    starts = distinct(np.concatenate([lines * resolution, grid.number(behind[within])]))
    ends = np.minimum(np.append(starts[1:], resolution**3), (starts // resolution + 1) * resolution)
    first, last = np.split(_wound_around(mesh, grid, np.concatenate([starts, ends - 1])), 2)
    inside[lines] = np.repeat(first, ends - starts).reshape(-1, resolution)
    unsure = [np.arange(start, end) for start, end in zip(starts[first != last], ends[first != last], strict=True)]
    if unsure:
        each = np.concatenate(unsure)
        inside.reshape(-1)[each] = _wound_around(mesh, grid, each)
    return inside.reshape((resolution,) * 3)


def nearest_face(
    mesh: TriangleMesh, places: Float[np.ndarray, "Q 3"]
) -> tuple[Float[np.ndarray, " Q"], Int[np.ndarray, " Q"]]:
    """Distance to the mesh's surface (infinite to that of the empty mesh), and the face that is nearest."""
    if mesh.is_empty or len(places) == 0:
        return np.full(len(places), np.inf), np.zeros(len(places), np.int64)
    squared, face, _ = igl.point_mesh_squared_distance(
        places.astype(np.float64), mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
    )
    return np.sqrt(squared), face.astype(np.int64)


def _seen_area(a: Float[np.ndarray, "F 3"], b: Float[np.ndarray, "F 3"], c: Float[np.ndarray, "F 3"]) -> float:
    """Area of all triangles as seen along z, which is how many lattice lines they cross, in lattice cells."""
    u, v = b - a, c - a
    return float(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum() / 2)


def _wound_around(mesh: TriangleMesh, grid: Grid, numbers: Int[np.ndarray, " Q"]) -> Bool[np.ndarray, " Q"]:
    if len(numbers) == 0:
        return np.zeros(0, bool)
    winding = igl.fast_winding_number(
        mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), grid.positions(numbers).astype(np.float64)
    )
    within: Bool[np.ndarray, " Q"] = np.abs(winding) > 0.5
    return within
