"""Fits parts to the object that they are parts of: what sticks out is cut off, gaps go to the nearest part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.geometry.lattice import CORNERS, Grid, NarrowBand, distinct
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
    own = [np.flatnonzero(enclosed(part, grid)) for part in parts]
    claims = np.zeros(len(solid), np.uint16)
    for numbers in own:
        claims[numbers] += 1
    gaps, takers = _gaps(parts, np.flatnonzero(solid & (claims == 0)), grid)
    bands = []
    for index, (part, numbers) in enumerate(zip(parts, own, strict=True)):
        kept = distinct(np.concatenate([numbers[solid[numbers]], gaps[takers == index]]))
        cells, corners = _crossed(kept, grid)
        places = grid.positions(corners)
        inside = np.isin(corners, numbers)
        others = TriangleMesh.joined([other for other in parts if other is not part])
        w = _signed(whole, places, solid[corners])
        p = _signed(part, places, inside)
        o = _signed(others, places, claims[corners] > inside)
        field = np.minimum(w, np.maximum(p, np.minimum((p - o) / 2, p + REACH)))
        hair = 1e-3 * grid.spacing
        field = np.where(np.isin(corners, kept), np.maximum(field, hair), np.minimum(field, -hair))
        bands.append(NarrowBand(grid, cells, corners, field.astype(np.float32), len(corners)))
    volume = sum(len(numbers) for numbers in own)
    return Fitted(tuple(bands), sum(int(solid[numbers].sum()) for numbers in own) / max(volume, 1))


def _gaps(
    parts: Sequence[TriangleMesh], numbers: Int[np.ndarray, " Q"], grid: Grid
) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
    """The points of gaps that are in reach of a part, and the part that is nearest."""
    distance, face = nearest_face(TriangleMesh.joined(list(parts)), grid.positions(numbers))
    part_of_face = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    reached = distance < REACH
    return numbers[reached], part_of_face[face[reached]]


def _signed(
    mesh: TriangleMesh, places: Float[np.ndarray, "Q 3"], inside: Bool[np.ndarray, " Q"]
) -> Float[np.ndarray, " Q"]:
    distance, _ = nearest_face(mesh, places)
    return np.where(inside, distance, -distance)


def _crossed(numbers: Int[np.ndarray, " Q"], grid: Grid) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " M"]]:
    """Cells with corners both in and out of a set of points away from the border, and all their corners."""
    if len(numbers) == 0:
        return numbers, numbers
    indices = grid.indices(numbers)
    low = indices.min(axis=0) - 1
    block = np.zeros(indices.max(axis=0) - low + 2, bool)
    block[tuple((indices - low).T)] = True
    some, every = block, block
    for axis in range(3):
        some = np.logical_or(*_neighbours(some, axis))
        every = np.logical_and(*_neighbours(every, axis))
    cells = np.sort(grid.number(np.argwhere(some & ~every) + low))
    return cells, distinct(cells[:, None] + CORNERS @ grid.strides)


def _neighbours(block: Bool[np.ndarray, "X Y Z"], axis: int) -> tuple[np.ndarray, np.ndarray]:
    aligned = np.moveaxis(block, axis, 0)
    return np.moveaxis(aligned[:-1], 0, axis), np.moveaxis(aligned[1:], 0, axis)
