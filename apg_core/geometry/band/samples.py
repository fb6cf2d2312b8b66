"""Field values at lattice points: each evaluated once, then looked up by the point's number."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.lattice import Grid, distinct

Field = Callable[[Float[np.ndarray, "Q 3"]], Float[np.ndarray, " Q"]]


class Samples:
    """Every field value known so far, sorted by point number."""

    def __init__(self, field: Field, grid: Grid) -> None:
        self.grid = grid
        self.numbers = np.zeros(0, np.int64)
        self.values = np.zeros(0, np.float32)
        self._field = field

    def take(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, " Q"]:
        """Evaluate the field at the points not known yet, and return their numbers; the border is outside.

        Raises:
            FloatingPointError: the field has no finite value at some point.
        """
        wanted = distinct(numbers)
        new = wanted[~self.known(wanted)]
        if len(new) == 0:
            return new
        values = np.asarray(self._field(self.grid.positions(new)), np.float32)
        if not np.isfinite(values).all():
            raise FloatingPointError(
                f"the field is not finite at {(~np.isfinite(values)).sum()} of {len(values)} points"
            )
        # A hair below zero: the surface ends a hair's breadth within the cube.
        hair = np.float32(1e-3 * np.abs(values).max())
        values = np.where(self.grid.on_border(new), np.minimum(values, -hair), values)
        rows = np.searchsorted(self.numbers, new)
        self.numbers = np.insert(self.numbers, rows, new)
        self.values = np.insert(self.values, rows, values)
        return new

    def rows(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Rows where these points are, if they are known."""
        return np.minimum(np.searchsorted(self.numbers, numbers), max(len(self.numbers) - 1, 0))

    def known(self, numbers: Int[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        """Which of these points have a value."""
        if len(self.numbers) == 0:
            return np.zeros(np.shape(numbers), bool)
        return self.numbers[self.rows(numbers)] == numbers

    def at(
        self, numbers: Int[np.ndarray, "*shape"], otherwise: Float[np.ndarray, "*shape"] | float = 0.0
    ) -> Float[np.ndarray, "*shape"]:
        """Values at these points, `otherwise` where they are not known."""
        rows = self.rows(numbers)
        return np.where(self.numbers[rows] == numbers, self.values[rows], np.float32(otherwise))
