"""Finding the narrow band of a field: coarse samples first, then finer ones only where the surface can be.

Nothing here knows what a field is made of; it is a function from positions to values, positive inside.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.lattice import CORNERS, Grid, NarrowBand

Field = Callable[[Float[np.ndarray, "Q 3"]], Float[np.ndarray, "Q"]]

_log = logging.getLogger(__name__)

# No point of a block is further from its nearest corner than half its diagonal.
_REACH = np.sqrt(3) / 2
# How far linear interpolation may be off, in blocks, and a sample still be taken where it is needed.
_DOUBT = 0.5
# Slopes above this percentile are taken for noise.
_STEEPEST = 98
# A sample below this share of the plateau that a clamped field ends in feels a surface nearby.
_FEELS_SURFACE = 0.9
_COARSE_BLOCKS = 32


def narrow_band(field: Field, grid: Grid, *, coarse: int = _COARSE_BLOCKS) -> NarrowBand:
    """The cells that the zero level of `field` passes through, found from `coarse`^3 blocks downwards.

    A block is divided where its corners differ in sign or where one of them is nearer to the surface than the block
    is wide, judged by the steepest slope seen; where a field is clamped, also where it has left its plateau.
    In the last step only the ends of crossed edges are evaluated, and the surface is followed from edge to edge, so
    what is found is what dense evaluation finds there, and closed.
    The field counts as outside on the faces of the cube, so a shape that reaches them is closed there too.
    """
    samples = _Samples(field, grid)
    stride = max(1, grid.resolution // coarse)
    blocks, slope, plateau = _coarse_blocks(samples, stride)
    while stride > 2:
        stride //= 2
        blocks, slope = _divided(samples, blocks, stride, slope=slope, plateau=plateau)
    if stride == 2:
        _take_crossed_edges(samples, blocks, slope)
    band = _closed_band(samples, blocks, stride)
    _log.debug("band cells=%d queries=%d resolution=%d", len(band.cells), band.queries, grid.resolution)
    return band


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Cubes of lattice cells: index of the lowest corner, and the field (exact or foreseen) at the eight corners."""

    low: Int[np.ndarray, "K 3"]
    values: Float[np.ndarray, "K 2 2 2"]

    def __getitem__(self, rows: np.ndarray) -> "_Blocks":
        return _Blocks(self.low[rows], self.values[rows])

    @property
    def crossed(self) -> Bool[np.ndarray, "K"]:
        """Whether the corners differ in sign."""
        inside = self.values.reshape(-1, 8) > 0
        differ: np.ndarray = inside.any(axis=1) & ~inside.all(axis=1)
        return differ

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
class _Plateau:
    """Magnitudes below which a clamped field says that a surface is near; infinite where it is not clamped."""

    outside: float
    inside: float

    @classmethod
    def of(cls, values: Float[np.ndarray, "*shape"]) -> "_Plateau":
        return cls(cls._edge(-values[values <= 0]), cls._edge(values[values > 0]))

    @staticmethod
    def _edge(magnitudes: Float[np.ndarray, "Q"]) -> float:
        if len(magnitudes) == 0:
            return np.inf
        top = np.percentile(magnitudes, 90)
        clamped = np.mean(magnitudes >= 0.85 * top) > 0.3
        return float(_FEELS_SURFACE * np.median(magnitudes)) if clamped else np.inf

    def near(self, values: Float[np.ndarray, "*shape"], reach: float) -> Bool[np.ndarray, "*shape"]:
        """Where values say that the surface is within `reach` (in units of the field)."""
        return (values > -min(reach, self.outside)) & (values < min(reach, self.inside))


class _Samples:
    """Every field value known so far, sorted by point number."""

    def __init__(self, field: Field, grid: Grid) -> None:
        self.grid = grid
        self.numbers = np.zeros(0, np.int64)
        self.values = np.zeros(0, np.float32)
        self._field = field

    def take(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "Q"]:
        """Evaluate the field at the points not known yet; returns their numbers."""
        wanted = np.unique(numbers)
        new = wanted[~self.known(wanted)]
        if len(new) == 0:
            return new
        values = np.asarray(self._field(self.grid.positions(new)), np.float32)
        # A hair below zero: the surface ends a hair's breadth within the cube.
        hair = np.float32(1e-3 * np.abs(values).max())
        values = np.where(self.grid.on_border(new), np.minimum(values, -hair), values)
        rows = np.searchsorted(self.numbers, new)
        self.numbers = np.insert(self.numbers, rows, new)
        self.values = np.insert(self.values, rows, values)
        return new

    def _rows(self, numbers: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        return np.minimum(np.searchsorted(self.numbers, numbers), max(len(self.numbers) - 1, 0))

    def known(self, numbers: Int[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
        if len(self.numbers) == 0:
            return np.zeros(np.shape(numbers), bool)
        return self.numbers[self._rows(numbers)] == numbers

    def at(
        self, numbers: Int[np.ndarray, "*shape"], otherwise: Float[np.ndarray, "*shape"] | float = 0.0
    ) -> Float[np.ndarray, "*shape"]:
        """Values at these points, `otherwise` where they are not known."""
        rows = self._rows(numbers)
        return np.where(self.numbers[rows] == numbers, self.values[rows], np.float32(otherwise))


def _corner_numbers(grid: Grid, low: Int[np.ndarray, "K 3"], stride: int) -> Int[np.ndarray, "K 8"]:
    return grid.number(np.minimum(low[:, None] + stride * CORNERS, grid.resolution - 1))


def _coarse_blocks(samples: _Samples, stride: int) -> tuple[_Blocks, float, _Plateau]:
    """Blocks of the coarsest lattice that may hold surface, the steepest slope, and where the field is clamped."""
    grid = samples.grid
    starts = np.arange(0, grid.resolution - 1, stride)
    low = np.stack(np.meshgrid(starts, starts, starts, indexing="ij"), axis=-1).reshape(-1, 3)
    numbers = _corner_numbers(grid, low, stride)
    samples.take(numbers)
    blocks = _Blocks(low, samples.at(numbers).reshape(-1, 2, 2, 2))
    width = stride * grid.spacing
    steepest_anywhere = max(float(np.abs(np.diff(blocks.values, axis=axis)).max()) for axis in (1, 2, 3)) / width
    plateau = _Plateau.of(samples.values)
    if np.isinf(plateau.outside):
        slope = blocks.steepest(grid, stride, steepest_anywhere)
        may_hold = blocks.crossed | plateau.near(blocks.values, slope * width * _REACH).any(axis=(1, 2, 3))
        return blocks[may_hold], slope, plateau
    # The clamp hides how far the surface is: look into the middle of the blocks that seem empty, too.
    may_hold = blocks.crossed | plateau.near(blocks.values, np.inf).any(axis=(1, 2, 3))
    seems_empty = np.flatnonzero(~may_hold)
    middles = grid.number(np.minimum(low[seems_empty] + stride // 2, grid.resolution - 1))
    samples.take(middles)
    middle = samples.at(middles)
    flipped = (middle > 0) != (blocks.values[seems_empty, 0, 0, 0] > 0)
    may_hold[seems_empty] = flipped | plateau.near(middle, np.inf)
    blocks = blocks[may_hold]
    if stride > 1:
        samples.take(_foreseen(grid, blocks, stride // 2)[0])
    return blocks, blocks.steepest(grid, stride, np.inf), plateau


def _foreseen(grid: Grid, blocks: _Blocks, half: int) -> tuple[np.ndarray, np.ndarray]:
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


def _divided(
    samples: _Samples, blocks: _Blocks, half: int, *, slope: float, plateau: _Plateau
) -> tuple[_Blocks, float]:
    """The halves of these blocks, in each direction, that may hold surface."""
    width = half * samples.grid.spacing
    numbers, foreseen = _foreseen(samples.grid, blocks, half)
    samples.take(numbers[plateau.near(foreseen, slope * width * (_REACH + _DOUBT))])
    values = samples.at(numbers, foreseen)
    parts = []
    for x, y, z in CORNERS:
        low = blocks.low + half * np.array([x, y, z])
        part = _Blocks(low, values[:, x : x + 2, y : y + 2, z : z + 2])
        parts.append(part[(low < samples.grid.resolution - 1).all(axis=1)])
    halves = _Blocks(np.concatenate([p.low for p in parts]), np.concatenate([p.values for p in parts]))
    slope = halves.steepest(samples.grid, half, slope)
    may_hold = halves.crossed | plateau.near(halves.values, slope * width * _REACH).any(axis=(1, 2, 3))
    return halves[may_hold], slope


def _take_crossed_edges(samples: _Samples, blocks: _Blocks, slope: float) -> None:
    """Evaluate both ends of every lattice edge in these blocks (two cells wide) that the surface crosses.

    First the ends of edges that are foreseen to be crossed and points too close to call; then, from every point that
    was foreseen with the wrong sign, its neighbours, until no surprise is left.
    """
    grid = samples.grid
    numbers, foreseen = _foreseen(grid, blocks, 1)
    inside = foreseen > 0
    wanted = _crossed_edge_ends(inside) | (np.abs(foreseen) < _DOUBT * slope * grid.spacing)
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


def _neighbours(grid: Grid, numbers: Int[np.ndarray, "Q"]) -> Int[np.ndarray, "Q*6"]:
    """The six neighbours of each point, -1 where the cube ends."""
    indices = grid.indices(numbers)
    steps = np.concatenate([np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
    around = indices[:, None] + steps
    within = ((around >= 0) & (around < grid.resolution)).all(axis=-1)
    return np.where(within, grid.number(around), -1).reshape(-1)


def _crossed_cells(samples: _Samples) -> Int[np.ndarray, "K"]:
    """Cells around every edge whose two known ends differ in sign. No such edge lies on the border."""
    steps = samples.grid.strides
    cells = []
    for axis, step in enumerate(steps):
        ends = samples.numbers + step
        rows = samples._rows(ends)
        crossed = (samples.numbers[rows] == ends) & ((samples.values[rows] > 0) != (samples.values > 0))
        a, b = np.delete(steps, axis)
        start = samples.numbers[crossed]
        cells += [start, start - a, start - b, start - a - b]
    return np.unique(np.concatenate(cells))


def _closed_band(samples: _Samples, blocks: _Blocks, stride: int) -> NarrowBand:
    """The band of all known crossings, grown where the surface leaves the blocks it was looked for in."""
    grid = samples.grid
    searched = np.unique(grid.number(blocks.low))
    block = np.stack(np.meshgrid(*[np.arange(stride + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    while True:
        cells = _crossed_cells(samples)
        home = grid.number(grid.indices(cells) // stride * stride)
        left = np.setdiff1d(home, searched)
        searched = np.union1d(searched, left)
        points = grid.number(np.minimum(grid.indices(left)[:, None] + block, grid.resolution - 1))
        numbers = cells[:, None] + CORNERS @ grid.strides
        corners, rows = np.unique(numbers, return_inverse=True)
        values, known = _corner_values(samples, corners, rows.reshape(-1, 2, 2, 2))
        doubtful = corners[~known & _at_crossed_edge(values, rows.reshape(-1, 2, 2, 2))]
        if len(samples.take(np.concatenate([points.reshape(-1), doubtful]))) == 0:
            return NarrowBand(grid, cells, corners, values, len(samples.numbers))


def _corner_values(
    samples: _Samples, corners: Int[np.ndarray, "M"], rows: Int[np.ndarray, "K 2 2 2"]
) -> tuple[Float[np.ndarray, "M"], Bool[np.ndarray, "M"]]:
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


def _at_crossed_edge(values: Float[np.ndarray, "M"], rows: Int[np.ndarray, "K 2 2 2"]) -> Bool[np.ndarray, "M"]:
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
