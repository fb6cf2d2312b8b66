"""Where an object roughly is, so that the fields of its parts need not be evaluated elsewhere."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.lattice import Grid, grown
from apg_core.geometry.band.samples import Field
from apg_core.geometry.parts.overlap import HIGH, LOW, SurfaceCells
from apg_core.protocol.mesh import TriangleMesh

CELLS = 32
SPARE = 2
"""Cells around the object in which a part may still reach beyond it: an eighth of the cube's half edge."""
NEAR = -4.0
"""Field value from which on a sampled object may be there: half a field's useful range, for thin things."""


@dataclass(frozen=True, eq=False)
class Extent:
    """The cells of a `CELLS`^3 grid over [-1, 1]^3 in and around which an object is; what lies outside of the cube
    counts in the nearest cell."""

    cells: Bool[np.ndarray, "n n n"]

    @classmethod
    def of_mesh(cls, mesh: TriangleMesh) -> "Extent":
        """Of a mesh in the normalised frame: where its surface is and what that encloses, and `SPARE` cells around."""
        from apg_core.geometry.solid import enclosed  # igl and scipy, which whoever passes extents on need not load

        half = (HIGH - LOW) / CELLS / 2
        cells = enclosed(mesh, Grid(CELLS, LOW + half, HIGH - half))
        cells.reshape(-1)[SurfaceCells.of(mesh, CELLS).numbers] = True
        return cls(grown(cells, SPARE))

    @classmethod
    def of_field(cls, field: Field) -> "Extent":
        """Of a field, positive inside: cells with a corner that is inside or `NEAR` it, and `SPARE` cells around."""
        corners = Grid(CELLS + 1, LOW, HIGH)
        near = field(corners.positions(np.arange(corners.resolution**3))).reshape((corners.resolution,) * 3) > NEAR
        for axis in range(3):
            near = np.logical_or(*(np.take(near, range(k, CELLS + k), axis=axis) for k in (0, 1)))
        return cls(grown(near, SPARE))

    def holds(self, points: Float[np.ndarray, "Q 3"]) -> Bool[np.ndarray, " Q"]:
        """Which points lie in these cells."""
        cell = np.clip((points - LOW) * (CELLS / (HIGH - LOW)), 0, CELLS - 1).astype(np.int32)
        x, y, z = cell.T
        return self.cells[x, y, z]


class FieldWithin:
    """A field that is evaluated within an extent only; elsewhere it is as far outside as it ever was within."""

    def __init__(self, field: Field, extent: Extent) -> None:
        self._field = field
        self._extent = extent
        self._lowest = np.float32(-1)

    def __call__(self, points: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
        rows: Int[np.ndarray, " K"] = np.flatnonzero(self._extent.holds(points))
        values = np.full(len(points), self._lowest, np.float32)
        if len(rows):
            found = np.asarray(self._field(points[rows]), np.float32)
            self._lowest = np.minimum(self._lowest, found.min())
            values[:] = self._lowest
            values[rows] = found
        return values
