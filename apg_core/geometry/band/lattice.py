"""The lattice a field is sampled on, and the thin shell of it that a surface passes through."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real

# Corner (x, y, z) of a cell is number 4x + 2y + z.
CORNERS = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)


@dataclass(frozen=True, slots=True)
class Grid:
    """A cubic lattice whose first and last points lie on the faces of the cube [low, high]^3.

    A lattice point has one number, (i * resolution + j) * resolution + k; a cell has that of its lowest corner.
    """

    resolution: int
    low: float = -1.01
    high: float = 1.01

    @property
    def spacing(self) -> float:
        """Distance between neighbouring points: the size of a voxel."""
        return (self.high - self.low) / (self.resolution - 1)

    @property
    def strides(self) -> Int[np.ndarray, " 3"]:
        """What to add to a point's number for one step along x, y and z."""
        return np.array([self.resolution**2, self.resolution, 1])

    def number(self, indices: Int[np.ndarray, "*shape 3"]) -> Int[np.ndarray, "*shape"]:
        """Numbers of the points with these indices."""
        x, y, z = indices[..., 0], indices[..., 1], indices[..., 2]
        return (x * self.resolution + y) * self.resolution + z

    def indices(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape 3"]:
        """Indices of the points with these numbers."""
        rest, z = np.divmod(numbers, self.resolution)
        x, y = np.divmod(rest, self.resolution)
        return np.stack([x, y, z], axis=-1)

    def positions(self, numbers: Int[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape 3"]:
        """Where the points with these numbers lie."""
        return (self.low + self.indices(numbers) * self.spacing).astype(np.float32)

    def on_border(self, numbers: Int[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Whether the points with these numbers lie on a face of the cube."""
        indices = self.indices(numbers)
        return ((indices == 0) | (indices == self.resolution - 1)).any(axis=-1)


@dataclass(frozen=True, eq=False, slots=True)
class Box:
    """An upright box, from its lowest corner to its highest."""

    low: Float[np.ndarray, " 3"]
    high: Float[np.ndarray, " 3"]

    @classmethod
    def of(cls, grid: Grid) -> "Box":
        """The cube that the grid spans."""
        return cls(np.full(3, grid.low), np.full(3, grid.high))


@dataclass(frozen=True, eq=False, slots=True)
class NarrowBand:
    """The cells that a surface passes through and the field at their corners; all that extraction needs.

    `cells` and `corners` are sorted point numbers of `grid`. Field values are exact at both ends of every lattice
    edge that the surface crosses; other corners are at least right in sign.
    """

    grid: Grid
    cells: Int[np.ndarray, " K"]
    corners: Int[np.ndarray, " M"]
    values: Float[np.ndarray, " M"]
    queries: int
    """How often the field was evaluated to find this band."""
    box: Box
    """Where the lattice's first and last points lie."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no surface at all."""
        return len(self.cells) == 0

    def corner_rows(self) -> Int[np.ndarray, "K 8"]:
        """Rows of `corners` and `values` that belong to each cell, in the order of `CORNERS`."""
        return np.searchsorted(self.corners, self.cells[:, None] + CORNERS @ self.grid.strides)

    def reach(self, spare: int) -> tuple[Int[np.ndarray, " 3"], Int[np.ndarray, " 3"]]:
        """Lowest and highest lattice indices of the band, with some points to spare where the lattice has them."""
        indices = self.grid.indices(self.corners)
        low, high = indices.min(axis=0) - spare, indices.max(axis=0) + spare
        return np.maximum(low, 0), np.minimum(high, self.grid.resolution - 1)

    def place(self, indices: Real[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
        """Where these lattice indices, whole or not, lie."""
        return self.box.low + indices * ((self.box.high - self.box.low) / (self.grid.resolution - 1))

    def dense(self, *, crop: bool = True) -> tuple[Float[np.ndarray, "X Y Z"], Int[np.ndarray, " 3"]]:
        """The band as a full block of values, cropped to where it is, and the lattice index of its first point.

        Points outside the band carry the last value before them along z, which has their sign: no edge crosses
        the surface between two points of the band without both being in it, and the border is outside.
        """
        grid = self.grid
        low, high = self.reach(1) if crop else (np.zeros(3, np.int64), np.full(3, grid.resolution - 1))
        size = high - low + 1
        local = grid.indices(self.corners) - low
        flat = (local[:, 0] * size[1] + local[:, 1]) * size[2] + local[:, 2]
        outside = -np.abs(self.values).max() if len(self.values) else -1.0
        block = np.full(int(size.prod()), np.nan, np.float32)
        block[:: size[2]] = outside
        block[flat] = self.values
        last_known = np.where(np.isnan(block), 0, np.arange(len(block), dtype=np.int32))
        np.maximum.accumulate(last_known, out=last_known)
        return block[last_known].reshape(size), low


def distinct(numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, " M"]:
    """Each number once, in order; `np.unique` hashes integers first, which takes several times as long."""
    ordered = np.sort(numbers, axis=None)
    return ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0]


def grown(cells: Bool[np.ndarray, "n n n"], by: int) -> Bool[np.ndarray, "n n n"]:
    """These cells of a cubic grid and all that are at most `by` away from one of them along every axis."""
    for axis in range(3):
        padded = np.pad(cells, [(by, by) if axis == one else (0, 0) for one in range(3)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * by + 1, axis=axis)
        cells = np.asarray(windows.any(axis=-1))
    return cells
