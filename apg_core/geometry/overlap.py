"""How much of a surface two meshes have in common, in cells of a grid."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.mesh import TriangleMesh

LOW, HIGH = -1.0, 1.0  # the cube that the grid divides; what lies outside counts in the nearest cell
SAMPLES_PER_CELL = 2  # along an edge: what a triangle crosses by less than half a cell may go unseen
POINTS_AT_ONCE = 1 << 20


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
        """The cells that hold points of the mesh's faces, sampled at half a cell's distance."""
        if mesh.is_empty:
            return cls.empty(grid_size)
        corners = ((mesh.vertices[mesh.faces] - LOW) * (grid_size / (HIGH - LOW))).astype(np.float32)
        longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        divisions = np.maximum(np.ceil(longest * SAMPLES_PER_CELL), 1).astype(np.int64)
        found = []
        for count in np.unique(divisions):
            weights = _barycentric_lattice(int(count))
            rows = max(POINTS_AT_ONCE // len(weights), 1)
            some = corners[divisions == count]
            found += [_cells(weights @ some[start : start + rows], grid_size) for start in range(0, len(some), rows)]
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


def _barycentric_lattice(divisions: int) -> Float[np.ndarray, "W 3"]:
    first, second = np.nonzero(np.tri(divisions + 1, dtype=bool)[::-1])
    return (np.stack([first, second, divisions - first - second], axis=1) / divisions).astype(np.float32)


def _cells(points: Float[np.ndarray, "K W 3"], grid_size: int) -> Int[np.ndarray, " M"]:
    index = np.clip(points.reshape(-1, 3).astype(np.int32), 0, grid_size - 1)
    return np.unique((index[:, 0] * grid_size + index[:, 1]) * grid_size + index[:, 2])
