"""The last step of finding a narrow band: the lattice edges that the surface crosses, followed until they close."""

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.blocks import Blocks, foreseen
from apg_core.geometry.band.lattice import CORNERS, Box, Grid, NarrowBand, distinct
from apg_core.geometry.band.samples import Samples

# Foreseen values of less than this, in voxels, may have either sign.
_DOUBT = 0.5


def take_crossed_edges(samples: Samples, blocks: Blocks, slope: float) -> None:
    """Evaluate both ends of every lattice edge in these blocks (two cells wide) that the surface crosses.

    First the ends of edges that are foreseen to be crossed and points too close to call; then, from every point that
    was foreseen with the wrong sign, its neighbours, until no surprise is left.
    """
    grid = samples.grid
    numbers, values = foreseen(grid, blocks, 1)
    inside = values > 0
    wanted = _crossed_edge_ends(inside) | (np.abs(values) < _DOUBT * slope * grid.spacing)
    numbers, first = np.unique(numbers[wanted], return_index=True)
    expected = inside[wanted][first]
    samples.take(numbers)
    while len(numbers):
        surprised = (samples.at(numbers) > 0) != expected
        # The foreseen sign of a neighbour not taken yet is that of the point itself: else the edge was taken whole.
        around, expected = _neighbours(grid, numbers[surprised]), np.repeat(expected[surprised], 6)
        within = around >= 0
        around, first = np.unique(around[within], return_index=True)
        expected = expected[within][first]
        new = ~samples.known(around)
        numbers, expected = around[new], expected[new]
        samples.take(numbers)


def _neighbours(grid: Grid, numbers: Int[np.ndarray, " Q"]) -> Int[np.ndarray, " W"]:
    """The six neighbours of each point, -1 where the cube ends."""
    indices = grid.indices(numbers)
    steps = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
    around = indices[:, None] + steps
    within = ((around >= 0) & (around < grid.resolution)).all(axis=-1)
    return np.where(within, grid.number(around), -1).reshape(-1)


def _crossed_cells(samples: Samples) -> Int[np.ndarray, " K"]:
    """Cells around every edge whose two known ends differ in sign. No such edge lies on the border."""
    steps = samples.grid.strides
    cells = []
    for axis, step in enumerate(steps):
        ends = samples.numbers + step
        rows = samples.rows(ends)
        crossed = (samples.numbers[rows] == ends) & ((samples.values[rows] > 0) != (samples.values > 0))
        a, b = np.delete(steps, axis)
        start = samples.numbers[crossed]
        cells += [start, start - a, start - b, start - a - b]
    return distinct(np.concatenate(cells))


def closed_band(samples: Samples, blocks: Blocks, stride: int) -> NarrowBand:
    """The band of all known crossings, grown where the surface leaves the blocks it was looked for in."""
    grid = samples.grid
    searched = distinct(grid.number(blocks.low))
    block = np.stack(np.meshgrid(*[np.arange(stride + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    while True:
        cells = _crossed_cells(samples)
        home = grid.number(grid.indices(cells) // stride * stride)
        left = distinct(home[~np.isin(home, searched)])
        searched = distinct(np.concatenate([searched, left]))
        points = grid.number(np.minimum(grid.indices(left)[:, None] + block, grid.resolution - 1))
        numbers = cells[:, None] + CORNERS @ grid.strides
        corners, rows = np.unique(numbers, return_inverse=True)
        values, known = _corner_values(samples, corners, rows.reshape(-1, 2, 2, 2))
        doubtful = corners[~known & _at_crossed_edge(values, rows.reshape(-1, 2, 2, 2))]
        if len(samples.take(np.concatenate([points.reshape(-1), doubtful]))) == 0:
            return NarrowBand(grid, cells, corners, values, len(samples.numbers), Box.of(grid))


def _corner_values(
    samples: Samples, corners: Int[np.ndarray, " M"], rows: Int[np.ndarray, "K 2 2 2"]
) -> tuple[Float[np.ndarray, " M"], Bool[np.ndarray, " M"]]:
    """Field at the corners, and where it is exact: a corner not taken has the value of a neighbour in its cell.

    It has its neighbour's sign, too: otherwise the edge between them would be crossed, and taken.
    """
    values = samples.at(corners, np.nan)
    known = ~np.isnan(values)
    while (missing := np.isnan(values)).any():
        rows = rows[missing[rows].any(axis=(1, 2, 3))]
        around = values[rows]
        for axis in (1, 2, 3):
            around = np.where(np.isnan(around), np.flip(around, axis=axis), around)
        hidden = missing[rows]
        values[rows[hidden]] = around[hidden]
    return values, known


def _at_crossed_edge(values: Float[np.ndarray, " M"], rows: Int[np.ndarray, "K 2 2 2"]) -> Bool[np.ndarray, " M"]:
    """Which corners are an end of an edge, of any of these cells, whose ends differ in sign."""
    marked = np.zeros(len(values), bool)
    marked[rows[_crossed_edge_ends(values[rows] > 0)]] = True
    return marked


def _crossed_edge_ends(inside: Bool[np.ndarray, "K n n n"]) -> Bool[np.ndarray, "K n n n"]:
    """Points of each block that differ in sign from a neighbour in it."""
    ends = np.zeros_like(inside)
    for axis in (1, 2, 3):
        crossed = np.diff(inside, axis=axis)
        shifts = [(0, 0)] * 4
        for shifts[axis] in ((0, 1), (1, 0)):
            ends |= np.pad(crossed, shifts)
    return ends
