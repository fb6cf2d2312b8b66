"""How much of a surface two meshes have in common, in cells of a grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.mesh import TriangleMesh

LOW, HIGH = -1.0, 1.0  # the cube that the grid divides; what lies outside counts in the nearest cell
_LINES_AT_ONCE = 1 << 21  # candidates for a grid line through a triangle, to bound memory


@dataclass(frozen=True, eq=False)
class SurfaceCells:
    """The cells of a `grid_size`^3 grid over [-1, 1]^3 that a surface passes through, as sorted cell numbers."""

    grid_size: int
    numbers: Int[np.ndarray, " K"]

    @classmethod
    def empty(cls, grid_size: int) -> "SurfaceCells":
        """No cells."""
        return cls(grid_size, np.zeros(0, np.int32))

    @classmethod
    def of(cls, mesh: TriangleMesh, grid_size: int) -> "SurfaceCells":
        """Every cell that a face of the mesh passes through.

        The part of a triangle within a cell is a polygon. Its corners are corners of the triangle, places where an
        edge of the triangle crosses a face of the cell, or places where an edge of the cell crosses the triangle:
        those three kinds of places, and the cells around them, are all there is to find.
        """
        if mesh.is_empty:
            return cls.empty(grid_size)
        places = (mesh.vertices.astype(np.float64) - LOW) * (grid_size / (HIGH - LOW))
        edges = np.unique(np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
        found = [_numbers(places[np.unique(mesh.faces)], (), grid_size)]
        for axis in range(3):
            found.append(_numbers(_edges_across_planes(places[edges], axis), (axis,), grid_size))
            others = tuple(np.delete(np.arange(3), axis).tolist())
            for crossing in _triangles_across_lines(places[mesh.faces], axis):
                found.append(_numbers(crossing, others, grid_size))
        return cls(grid_size, np.unique(np.concatenate(found)))

    def union(self, other: "SurfaceCells") -> "SurfaceCells":
        """The cells of either."""
        return SurfaceCells(self.grid_size, np.union1d(self.numbers, other.numbers))


def overlap(a: SurfaceCells, b: SurfaceCells) -> float:
    """max(|A n B| / |A|, |A n B| / |B|); 0 where either is empty (spec/pipeline.md, step 5)."""
    smaller = min(len(a.numbers), len(b.numbers))
    if smaller == 0:
        return 0.0
    return len(np.intersect1d(a.numbers, b.numbers, assume_unique=True)) / smaller


def _edges_across_planes(ends: Float[np.ndarray, "E 2 3"], axis: int) -> Float[np.ndarray, "K 3"]:
    """Where edges cross the grid's planes across `axis`; that coordinate is a whole number."""
    along = ends[:, :, axis]
    rows, planes = _whole_numbers(along.min(axis=1), along.max(axis=1))
    start, end = ends[rows, 0], ends[rows, 1]
    length = end[:, axis] - start[:, axis]
    share = np.divide(planes - start[:, axis], length, out=np.zeros(len(rows)), where=length != 0)
    crossing = start + share[:, None] * (end - start)
    crossing[:, axis] = planes
    return crossing


def _triangles_across_lines(corners: Float[np.ndarray, "F 3 3"], axis: int) -> Iterator[Float[np.ndarray, "K 3"]]:
    """Where the grid's lines along `axis` go through triangles; the other two coordinates are whole numbers."""
    first, second = np.delete(np.arange(3), axis)
    low, high = corners.min(axis=1), corners.max(axis=1)
    lines = np.prod(np.floor(high) - np.ceil(low) + 1, axis=1, where=np.arange(3) != axis)
    met = np.flatnonzero(lines > 0)
    shares = np.cumsum(lines[met]) // _LINES_AT_ONCE
    for start, stop in pairwise(np.searchsorted(shares, np.arange(shares[-1] + 2)) if len(met) else [0]):
        some = met[start:stop]
        rows, u = _whole_numbers(low[some, first], high[some, first])
        rows, u = some[rows], u.astype(np.float64)
        again, v = _whole_numbers(low[rows, second], high[rows, second])
        rows, u = rows[again], u[again]
        flat = corners[rows][:, :, [first, second]] - np.stack([u, v], axis=1)[:, None]
        # Twice the signed areas that the point makes with each side: of one sign where it is inside.
        following, last = np.roll(flat, -1, axis=1), np.roll(flat, -2, axis=1)
        areas = following[..., 0] * last[..., 1] - following[..., 1] * last[..., 0]
        whole = areas.sum(axis=1)
        inside = ((areas >= 0).all(axis=1) | (areas <= 0).all(axis=1)) & (whole != 0)
        rows, areas, whole = rows[inside], areas[inside], whole[inside]
        crossing = np.empty((len(rows), 3))
        crossing[:, first], crossing[:, second] = u[inside], v[inside]
        crossing[:, axis] = (areas * corners[rows, :, axis]).sum(axis=1) / whole
        yield crossing


def _whole_numbers(
    low: Float[np.ndarray, " K"], high: Float[np.ndarray, " K"]
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
    """Every whole number from `low` to `high`, and the row that it belongs to."""
    start = np.ceil(low).astype(np.int64)
    counts = np.maximum(np.floor(high).astype(np.int64) - start + 1, 0)
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts - start, counts)


def _numbers(places: Float[np.ndarray, "K 3"], between: tuple[int, ...], grid_size: int) -> Int[np.ndarray, " M"]:
    """The cells at these places, on both sides of each coordinate in `between`."""
    index = np.floor(places).astype(np.int32)
    sides = [index]
    for axis in between:
        below = np.zeros(3, np.int32)
        below[axis] = 1
        sides += [side - below for side in sides]
    index = np.clip(np.concatenate(sides), 0, grid_size - 1)
    return np.unique((index[:, 0] * grid_size + index[:, 1]) * grid_size + index[:, 2])
