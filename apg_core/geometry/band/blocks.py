"""Blocks of lattice cells, and what the values at their corners say about a surface nearby."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.lattice import Grid

# Slopes above this percentile are taken for noise.
_STEEPEST = 98
# A sample below this share of the plateau that a clamped field ends in feels a surface nearby.
_FEELS_SURFACE = 0.9


@dataclass(frozen=True, slots=True)
class Blocks:
    """Cubes of lattice cells: index of the lowest corner, and the field (exact or foreseen) at the eight corners."""

    low: Int[np.ndarray, "K 3"]
    values: Float[np.ndarray, "K 2 2 2"]

    def __getitem__(self, rows: Bool[np.ndarray, " K"]) -> "Blocks":
        return Blocks(self.low[rows], self.values[rows])

    @property
    def crossed(self) -> Bool[np.ndarray, " K"]:
        """Whether the corners differ in sign."""
        inside = (self.values > 0).sum(axis=(1, 2, 3))
        return (inside > 0) & (inside < 8)

    def steepest(self, grid: Grid, stride: int, otherwise: float) -> float:
        """Slope of the field across the surface, per unit of length; `otherwise` where no block is crossed.

        Blocks at the border do not count: the field is cut off there.
        """
        within = ((self.low > 0) & (self.low + stride < grid.resolution - 1)).all(axis=1)
        values = self.values[within & self.crossed]
        if len(values) == 0:
            return otherwise
        along = [np.diff(values, axis=axis).reshape(-1, 4) for axis in (1, 2, 3)]
        straight = np.linalg.norm([edges.mean(axis=1) for edges in along], axis=0)
        # Around something smaller than the block, opposite edges cancel; the steepest of them still tells.
        curled = np.max([np.abs(edges).max(axis=1) for edges in along], axis=0)
        return float(np.percentile(np.maximum(straight, curled), _STEEPEST)) / (stride * grid.spacing)


@dataclass(frozen=True, slots=True)
class Plateau:
    """Magnitudes below which a clamped field says that a surface is near; infinite where it is not clamped."""

    outside: float
    inside: float

    @classmethod
    def of(cls, values: Float[np.ndarray, "*shape"]) -> "Plateau":
        return cls(cls._edge(-values[values <= 0]), cls._edge(values[values > 0]))

    @staticmethod
    def _edge(magnitudes: Float[np.ndarray, " Q"]) -> float:
        if len(magnitudes) == 0:
            return np.inf
        top = np.percentile(magnitudes, 90)
        clamped = np.mean(magnitudes >= 0.85 * top) > 0.3
        return float(_FEELS_SURFACE * np.median(magnitudes)) if clamped else np.inf

    def felt_from(self, slope: float) -> float:
        """Distance at which a surface with this slope makes itself felt, at least; 0 for a field that is not clamped.

        Fields flatten towards their plateau, so they leave it further out than a straight line would.
        """
        edge = min(self.outside, self.inside)
        return edge / slope if np.isfinite(edge) else 0.0

    def near(self, values: Float[np.ndarray, "*shape"], reach: float) -> Bool[np.ndarray, "*shape"]:
        """Where values say that the surface is within `reach` (in units of the field)."""
        return (values > -min(reach, self.outside)) & (values < min(reach, self.inside))


def foreseen(grid: Grid, blocks: Blocks, half: int) -> tuple[Int[np.ndarray, "K 3 3 3"], Float[np.ndarray, "K 3 3 3"]]:
    """Numbers of the 3^3 points of each block at half its stride, and the field interpolated there."""
    last = grid.resolution - 1
    middle, high = np.minimum(blocks.low + half, last), np.minimum(blocks.low + 2 * half, last)
    x, y, z = (np.stack([blocks.low[:, a], middle[:, a], high[:, a]], axis=1) for a in range(3))
    numbers = (x[:, :, None, None] * grid.resolution + y[:, None, :, None]) * grid.resolution + z[:, None, None, :]
    shares = ((middle - blocks.low) / (high - blocks.low)).astype(np.float32)
    values = blocks.values
    for axis in (1, 2, 3):
        share = shares[:, axis - 1].reshape(-1, 1, 1, 1)
        first, second = np.split(values, 2, axis=axis)
        values = np.concatenate([first, first + share * (second - first), second], axis=axis)
    return numbers, values
