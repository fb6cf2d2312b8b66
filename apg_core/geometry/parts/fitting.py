"""Fits parts to the object that they are parts of: what sticks out is cut off, gaps go to the nearest part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.band.lattice import CORNERS, Box, Grid, NarrowBand, distinct
from apg_core.geometry.solid import enclosed, nearest_face
from apg_core.protocol.mesh import TriangleMesh

REACH = 0.15
"""How far into a gap a part may grow, in units of the cube's half edge."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting found: where each part's surface now is, and how much of the parts was within the whole."""

    bands: tuple[NarrowBand, ...]
    share: float
    """Of the parts' volume, how much the whole encloses; near 0 where the whole is no solid."""


@dataclass(frozen=True, slots=True)
class _Shell:
    """The lattice around a fitted part's surface."""

    cells: Int[np.ndarray, " K"]
    corners: Int[np.ndarray, " M"]
    before: Bool[np.ndarray, " M"]
    """Which corners the part had enclosed."""
    after: Bool[np.ndarray, " M"]
    """Which of them it encloses now."""

    @classmethod
    def around(cls, before: Int[np.ndarray, " Q"], after: Int[np.ndarray, " W"], grid: Grid) -> "_Shell":
        cells = _crossed(after, grid)
        corners = distinct(cells[:, None] + CORNERS @ grid.strides)
        return cls(cells, corners, np.isin(corners, before), np.isin(corners, after))


def fit_parts(parts: Sequence[TriangleMesh], whole: TriangleMesh, grid: Grid) -> Fitted:
    """Each part within the whole, grown by up to `REACH` where the whole is and no part.

    With signed distances, positive inside, w to the whole, p to the part and o to the union of the others, a fitted
    part is where min(w, max(p, min((p - o) / 2, p + REACH))) > 0. So parts keep what they share, and a gap is divided
    where two parts are equally far. Which lattice points are in a part is decided first, so the surface is closed.
    """
    solid = enclosed(whole, grid)
    for axis in range(3):
        np.moveaxis(solid, axis, 0)[[0, -1]] = False  # the surface ends within the cube
    solid = solid.reshape(-1)
    enclosed_by = [np.flatnonzero(enclosed(part, grid)) for part in parts]
    claims = np.zeros(len(solid), np.uint16)
    for numbers in enclosed_by:
        claims[numbers] += 1
    gaps, takers = _gaps(parts, np.flatnonzero(solid & (claims == 0)), grid)
    shells = [
        _Shell.around(numbers, distinct(np.concatenate([numbers[solid[numbers]], gaps[takers == index]])), grid)
        for index, numbers in enumerate(enclosed_by)
    ]
    # All corners in one row, so that each mesh is searched once.
    sizes = [len(shell.corners) for shell in shells]
    corners, before, after = (
        np.concatenate([getattr(shell, name) for shell in shells]) for name in ("corners", "before", "after")
    )
    places = grid.positions(corners)
    to_part, to_others = _distances(parts, places, np.repeat(np.arange(len(parts)), sizes))
    w = np.where(solid[corners], 1, -1) * nearest_face(whole, places)[0]
    p = np.where(before, 1, -1) * to_part
    o = np.where(claims[corners] > before, 1, -1) * to_others
    field = np.minimum(w, np.maximum(p, np.minimum((p - o) / 2, p + REACH)))
    hair = 1e-3 * grid.spacing
    field = np.where(after, np.maximum(field, hair), np.minimum(field, -hair)).astype(np.float32)
    bands = tuple(
        NarrowBand(grid, shell.cells, shell.corners, values, len(values), Box.of(grid))
        for shell, values in zip(shells, np.split(field, np.cumsum(sizes)[:-1]), strict=True)
    )
    volume = sum(len(numbers) for numbers in enclosed_by)
    return Fitted(bands, sum(np.count_nonzero(solid[numbers]) for numbers in enclosed_by) / max(volume, 1))


def _gaps(
    parts: Sequence[TriangleMesh], numbers: Int[np.ndarray, " Q"], grid: Grid
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """The points of gaps that are in reach of a part, and the part that is nearest."""
    distance, face = nearest_face(TriangleMesh.joined(list(parts)), grid.positions(numbers))
    part_of_face = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    reached = distance < REACH
    return numbers[reached], part_of_face[face[reached]]


def _distances(
    parts: Sequence[TriangleMesh], places: Float[np.ndarray, "Q 3"], of_part: Int[np.ndarray, " Q"]
) -> tuple[Float[np.ndarray, " Q"], Float[np.ndarray, " Q"]]:
    """Distance of each place to the surface of its own part, and to the nearest other one that can matter."""
    to_part, to_others = np.empty(len(places)), np.full(len(places), np.inf)
    for index, part in enumerate(parts):
        mine = of_part == index
        # Beyond twice the reach, the part's own reach ends first.
        low, high = part.bounds + np.array([[-2 * REACH], [2 * REACH]])
        rows = np.flatnonzero(mine | ((places >= low) & (places <= high)).all(axis=1))
        distance, _ = nearest_face(part, places[rows])
        to_part[mine] = distance[mine[rows]]
        others = rows[~mine[rows]]
        to_others[others] = np.minimum(to_others[others], distance[~mine[rows]])
    return to_part, to_others


def _crossed(numbers: Int[np.ndarray, " Q"], grid: Grid) -> Int[np.ndarray, " K"]:
    """Cells with corners both in and out of a set of points away from the border."""
    if len(numbers) == 0:
        return numbers
    indices = grid.indices(numbers)
    low = indices.min(axis=0) - 1
    block = np.zeros(indices.max(axis=0) - low + 2, bool)
    block[tuple((indices - low).T)] = True
    some, every = block, block
    for axis in range(3):
        some = np.logical_or(*_neighbours(some, axis))
        every = np.logical_and(*_neighbours(every, axis))
    return np.sort(grid.number(np.argwhere(some & ~every) + low))


def _neighbours(
    block: Bool[np.ndarray, "X Y Z"], axis: int
) -> tuple[Bool[np.ndarray, "A B C"], Bool[np.ndarray, "A B C"]]:
    aligned = np.moveaxis(block, axis, 0)
    return np.moveaxis(aligned[:-1], 0, axis), np.moveaxis(aligned[1:], 0, axis)
