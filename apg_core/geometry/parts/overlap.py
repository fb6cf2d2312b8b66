"""How much of a surface two meshes have in common, in cells of a grid."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from apg_core.geometry.band.lattice import distinct, grown
from apg_core.geometry.lines import triangles_across_lines, whole_numbers
from apg_core.protocol.mesh import TriangleMesh

LOW, HIGH = -1.0, 1.0  # the cube that the grid divides; what lies outside counts in the nearest cell
NEAR = 64  # cells an edge, of which neighbours are near each other


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
        a, b, c = (places[mesh.faces[:, corner]] for corner in range(3))
        starts, ends = places[_edges(mesh.faces, len(places))]
        found = [_numbers(places[distinct(mesh.faces)], (), grid_size)]
        for axis in range(3):
            found.append(_numbers(_edges_across_planes(starts, ends, axis), (axis,), grid_size))
            others = tuple(np.delete(np.arange(3), axis).tolist())
            crossings = triangles_across_lines(a, b, c, axis)
            found += [_numbers(crossing, others, grid_size) for crossing in crossings]
        return cls(grid_size, distinct(np.concatenate(found)))

    def union(self, other: "SurfaceCells") -> "SurfaceCells":
        """The cells of either."""
        return SurfaceCells(self.grid_size, distinct(np.concatenate([self.numbers, other.numbers])))

    def indices(self, grid_size: int) -> tuple[Int[np.ndarray, " K"], ...]:
        """Along x, y and z, which cells of a grid of that size these are in."""
        return tuple(i * grid_size // self.grid_size for i in np.unravel_index(self.numbers, (self.grid_size,) * 3))


def overlap(a: SurfaceCells, b: SurfaceCells) -> float:
    """max(|A n B| / |A|, |A n B| / |B|); 0 where either is empty.

    docs/how-it-works.md, "Generation step by step".
    """
    smaller = min(len(a.numbers), len(b.numbers))
    if smaller == 0:
        return 0.0
    return len(np.intersect1d(a.numbers, b.numbers, assume_unique=True)) / smaller


def share_near(a: SurfaceCells, b: SurfaceCells) -> float:
    """The share of a's cells that are b's or next to them, on a grid of at most `NEAR` cells an edge; 0 of none."""
    grid_size = min(a.grid_size, b.grid_size, NEAR)
    cells = np.zeros((grid_size,) * 3, bool)
    cells[b.indices(grid_size)] = True
    own = grown(cells, 1)[a.indices(grid_size)]
    return float(own.mean()) if len(own) else 0.0


def _edges(faces: Int[np.ndarray, "F 3"], vertices: int) -> Int[np.ndarray, "2 E"]:
    """Both ends of every edge, each edge once."""
    one = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]]).astype(np.int64)
    other = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]]).astype(np.int64)
    keys = distinct(np.minimum(one, other) * vertices + np.maximum(one, other))
    return np.stack(np.divmod(keys, vertices))


def _edges_across_planes(
    starts: Float[np.ndarray, "E 3"], ends: Float[np.ndarray, "E 3"], axis: int
) -> Float[np.ndarray, "K 3"]:
    """Where edges cross the grid's planes across `axis`; that coordinate is a whole number."""
    low, high = starts[:, axis], ends[:, axis]
    rows, planes = whole_numbers(np.minimum(low, high), np.maximum(low, high))
    start, step = starts[rows], ends[rows] - starts[rows]
    length = step[:, axis]
    share = np.divide(planes - start[:, axis], length, out=np.zeros(len(rows)), where=length != 0)
    crossing = start + share[:, None] * step
    crossing[:, axis] = planes
    return crossing


def _numbers(places: Float[np.ndarray, "K 3"], between: tuple[int, ...], grid_size: int) -> Int[np.ndarray, " M"]:
    """The cells at these places, on both sides of each coordinate in `between`."""
    index = np.floor(places).astype(np.int32)
    sides = [index]
    for axis in between:
        below = np.zeros(3, np.int32)
        below[axis] = 1
        sides += [side - below for side in sides]
    index = np.clip(np.concatenate(sides), 0, grid_size - 1)
    return distinct((index[:, 0] * grid_size + index[:, 1]) * grid_size + index[:, 2])
