"""Finding the narrow band of a field: coarse samples first, then finer ones only where the surface can be.

Nothing here knows what a field is made of; it is a function from positions to values, positive inside.
"""

import logging
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from apg_core.geometry.band.blocks import Blocks, Plateau, foreseen
from apg_core.geometry.band.crossings import closed_band, take_crossed_edges
from apg_core.geometry.band.lattice import CORNERS, Box, Grid, NarrowBand
from apg_core.geometry.band.samples import Field, Samples

_log = logging.getLogger(__name__)

# No point of a block is further from its nearest corner than half its diagonal.
_REACH = np.sqrt(3) / 2
# Nor is any further than this from the nearest of its corners and the middles of itself and its neighbours.
_FELT_REACH = np.sqrt(5) / 4
# How far linear interpolation may be off, in blocks, and a sample still be taken where it is needed.
_DOUBT = 0.5
_COARSE_BLOCKS = 32
_BOX_RESOLUTION = 128
_BOX_SPARE = 2


def narrow_band(field: Field, grid: Grid, *, coarse: int = _COARSE_BLOCKS) -> NarrowBand:
    """The cells that the zero level of `field` passes through, found from `coarse`^3 blocks downwards.

    Where a clamped field is felt from far enough, an eighth as many blocks begin.

    A block is divided where its corners differ in sign or where one of them is nearer to the surface than the block
    is wide, judged by the steepest slope seen; where a field is clamped, also where it has left its plateau.
    In the last step only the ends of crossed edges are evaluated, and the surface is followed from edge to edge, so
    what is found is what dense evaluation finds there, and closed.
    The field counts as outside on the faces of the cube, so a shape that reaches them is closed there too.
    """
    samples = Samples(field, grid)
    stride = 2 * max(1, grid.resolution // coarse)
    blocks, slope, plateau = _coarse_blocks(samples, stride)
    if not _is_felt(slope, plateau, stride * grid.spacing):  # else blocks twice as wide will do
        stride //= 2
        blocks, slope, plateau = _coarse_blocks(samples, stride)
    while stride > 2:
        stride //= 2
        blocks, slope = _divided(samples, blocks, stride, slope=slope, plateau=plateau)
    if stride == 2:
        take_crossed_edges(samples, blocks, slope)
    band = closed_band(samples, blocks, stride)
    _log.debug("band cells=%d queries=%d resolution=%d", len(band.cells), band.queries, grid.resolution)
    return band


def narrow_band_in_box(field: Field, grid: Grid) -> NarrowBand:
    """The same with the grid's whole resolution spent on the surface's own box: finer voxels, each axis its own.

    The box is that of the cells near the surface on a lattice of `_BOX_RESOLUTION`, with `_BOX_SPARE` cells to spare.
    """
    rough = narrow_band(field, Grid(_BOX_RESOLUTION, grid.low, grid.high))
    if rough.is_empty:
        return rough
    box = Box(*(rough.place(corner) for corner in rough.reach(_BOX_SPARE)))
    scale = (box.high - box.low) / (grid.high - grid.low)
    band = narrow_band(lambda points: field((box.low + (points - grid.low) * scale).astype(np.float32)), grid)
    return replace(band, box=box, queries=rough.queries + band.queries)


def _coarse_blocks(samples: Samples, stride: int) -> tuple[Blocks, float, Plateau]:
    """Blocks of the coarsest lattice that may hold surface, the steepest slope, and where the field is clamped."""
    grid = samples.grid
    starts = np.arange(0, grid.resolution - 1, stride)
    low = np.stack(np.meshgrid(starts, starts, starts, indexing="ij"), axis=-1).reshape(-1, 3)
    numbers = _corner_numbers(grid, low, stride)
    samples.take(numbers)
    blocks = Blocks(low, samples.at(numbers).reshape(-1, 2, 2, 2))
    width = stride * grid.spacing
    steepest_anywhere = max(float(np.abs(np.diff(blocks.values, axis=axis)).max()) for axis in (1, 2, 3)) / width
    plateau = Plateau.of(samples.values)
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
    slope = blocks.steepest(grid, stride, np.inf)
    if stride > 1 and not _is_felt(slope, plateau, width):
        samples.take(foreseen(grid, blocks, stride // 2)[0])
    return blocks, slope, plateau


def _is_felt(slope: float, plateau: Plateau, width: float) -> bool:
    """Whether a clamped field leaves its plateau so early that a surface anywhere in a block of this width shows."""
    return bool(plateau.felt_from(slope) >= _FELT_REACH * width)


def _divided(samples: Samples, blocks: Blocks, half: int, *, slope: float, plateau: Plateau) -> tuple[Blocks, float]:
    """The halves of these blocks, in each direction, that may hold surface."""
    width = half * samples.grid.spacing
    numbers, expected = foreseen(samples.grid, blocks, half)
    samples.take(numbers[plateau.near(expected, slope * width * (_REACH + _DOUBT))])
    values = samples.at(numbers, expected)
    parts = []
    for x, y, z in CORNERS:
        low = blocks.low + half * np.array([x, y, z])
        part = Blocks(low, values[:, x : x + 2, y : y + 2, z : z + 2])
        parts.append(part[(low < samples.grid.resolution - 1).all(axis=1)])
    halves = Blocks(np.concatenate([p.low for p in parts]), np.concatenate([p.values for p in parts]))
    slope = halves.steepest(samples.grid, half, slope)
    may_hold = halves.crossed | plateau.near(halves.values, slope * width * _REACH).any(axis=(1, 2, 3))
    return halves[may_hold], slope


def _corner_numbers(grid: Grid, low: Int[np.ndarray, "K 3"], stride: int) -> Int[np.ndarray, "K 8"]:
    return grid.number(np.minimum(low[:, None] + stride * CORNERS, grid.resolution - 1))
