"""Divides a solid where sampled parts say who has what: cuts where the field of one owner becomes larger than others'.

A field is like a signed distance, positive inside: that of a part, on a lattice, smoothed. No cut has steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from manifold3d import Manifold
from scipy import ndimage

from apg_core.geometry.band.lattice import CORNERS, Box, Grid, NarrowBand, distinct
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.parts.solids import crossed_cells, mesh_of, solid_of, split_by
from apg_core.geometry.solid import enclosed, nearest_face
from apg_core.protocol.mesh import TriangleMesh

CELLS = 96
"""Cells of the lattice on which cuts are found, along an edge of [-1, 1]^3. Cuts are smooth, so it need not be fine."""
AROUND = 3
"""Layers of cells beyond that cube, so that whatever is cut ends within the lattice."""
SMOOTHING = 1.5
"""Standard deviation, in cells, of the blur that takes the noise of sampled surfaces out of a cut."""
SPARE = 2
"""Layers of lattice points around a solid on which fields are known; its surface stays a cell away from their end."""
FAR = 0.1
"""Distance from which fields need not be exact."""
NOBODY = 0.04
"""How far from the parts what is nobody's begins, where there is a lump of it."""
FLAT = 2e-5
"""How far a cut may move when its flat places are made of fewer triangles."""

Owners = Float[np.ndarray, "K Q"]


@dataclass(frozen=True, eq=False)
class Lattice:
    """The lattice points in and around a solid."""

    grid: Grid
    active: Bool[np.ndarray, "R R R"]
    numbers: Int[np.ndarray, " Q"]
    places: Float[np.ndarray, "Q 3"]
    within: Bool[np.ndarray, " Q"]
    """Which of them are inside, or at a corner of a cell that the surface goes through."""

    @classmethod
    def around(cls, body: Manifold) -> "Lattice":
        """Of this solid, which lies in [-1, 1]^3."""
        reach = 1 + AROUND * 2 / CELLS
        grid, surface = Grid(CELLS + 2 * AROUND + 1, low=-reach, high=reach), mesh_of(body)
        active = enclosed(surface, grid)
        cells = SurfaceCells.of(surface, CELLS).numbers.astype(np.int64)
        lowest = np.stack([cells // CELLS**2, cells // CELLS % CELLS, cells % CELLS], axis=1) + AROUND
        active.reshape(-1)[distinct(grid.number(lowest)[:, None] + CORNERS @ grid.strides)] = True
        within, active = active, ndimage.binary_dilation(active, iterations=SPARE)
        numbers = np.flatnonzero(active)
        return cls(grid, active, numbers, grid.positions(numbers).astype(np.float64), within.reshape(-1)[numbers])

    def block(self, values: Float[np.ndarray, " Q"], elsewhere: float) -> Float[np.ndarray, "R R R"]:
        """Values of the points as a block."""
        block = np.full(self.active.shape, elsewhere)
        block.reshape(-1)[self.numbers] = values
        return block

    def around_places(self, chosen: Bool[np.ndarray, " Q"]) -> Int[np.ndarray, " P"]:
        """Rows of these points and of those up to `SPARE` layers from them."""
        block = ndimage.binary_dilation(self.block(chosen.astype(float), 0.0) > 0, iterations=SPARE)
        return np.flatnonzero(block.reshape(-1)[self.numbers])

    @cached_property
    def _known(self) -> Float[np.ndarray, "R R R"]:
        return np.maximum(ndimage.gaussian_filter(self.active.astype(float), SMOOTHING, mode="constant"), 1e-6)

    def smoothed(self, values: Float[np.ndarray, " Q"]) -> Float[np.ndarray, " Q"]:
        """Values blurred with each other."""
        blurred = ndimage.gaussian_filter(self.block(values, 0.0), SMOOTHING, mode="constant") / self._known
        return np.asarray(blurred.reshape(-1)[self.numbers])


def part_field(part: TriangleMesh, lattice: Lattice) -> Float[np.ndarray, " Q"]:
    """The signed distance to a sampled part; beyond `FAR` of its box, the distance to the box stands for it."""
    if part.is_empty:
        return np.full(len(lattice.numbers), -np.inf)
    places = lattice.places
    low, high = part.bounds
    field = -np.linalg.norm(np.maximum(np.maximum(low - places, places - high), 0), axis=1)
    near = np.flatnonzero(field > -FAR)
    distance = nearest_face(part, places[near])[0]
    inside = enclosed(part, lattice.grid).reshape(-1)[lattice.numbers[near]]
    field[near] = np.where(inside, distance, -distance)
    return field


@dataclass(frozen=True, eq=False)
class Fields:
    """The field of each owner on the lattice: the parts', then those of what no part has."""

    lattice: Lattice
    parts: Float[np.ndarray, "S Q"]
    """Signed distance to each sampled part."""

    def between(self, contenders: Mapping[int, int], owners: int) -> Owners:
        """Fields of those who have a place between them, by owner: the part whose field it is, or -1 for nobody's."""
        own = {
            owner: self.parts[part] if part >= 0 else -NOBODY - self.parts.max(axis=0)
            for owner, part in contenders.items()
        }
        found = np.full((owners, len(self.lattice.numbers)), -FAR)
        for owner, field in own.items():
            others = [other for key, other in own.items() if key != owner]
            found[owner] = self.lattice.smoothed(np.clip((field - np.max(others, axis=0)) / 2, -FAR, FAR))
        return found


def without_slivers(fields: Owners, lattice: Lattice, *, within: Bool[np.ndarray, " Q"], share: float) -> Owners:
    """The fields after small places apart from the bulk of their owner's have gone to who is next to have them.

    Only places `within` count.
    """
    fields = fields.copy()
    label = fields.argmax(axis=0)
    for owner in np.unique(label[within]):
        own = (label == owner) & within
        numbered, count = ndimage.label(lattice.block(np.where(own, 1.0, 0.0), 0.0) > 0)
        group = numbered.reshape(-1)[lattice.numbers]
        sizes = np.bincount(group, minlength=count + 1)
        sizes[0] = 0
        for small in np.flatnonzero((sizes > 0) & (sizes < share * sizes.sum()) & (sizes < sizes.max())):
            rows = np.flatnonzero(group == small)
            others = np.delete(np.arange(len(fields)), owner)
            if len(others) == 0:
                continue
            heir = others[fields[others][:, rows].mean(axis=1).argmax()]
            had = fields[owner, rows]
            fields[heir, rows], fields[owner, rows] = np.maximum(fields[heir, rows], had), -had
    return fields


def carved(body: Manifold, fields: Owners, lattice: Lattice) -> list[Manifold]:
    """The body, divided: each owner gets where its field is the largest, and some may get nothing.

    The results share their surfaces exactly, and together they are the body: each is cut off what the ones before
    have left.
    """
    there = np.unique(fields.argmax(axis=0))
    rest, found = body, [Manifold() for _ in fields]
    for i, owner in enumerate(there[:-1]):
        cell = _cell(fields[owner] - fields[there[i + 1 :]].max(axis=0), lattice)
        if cell is not None:
            found[owner], rest = split_by(rest, cell)
    found[there[-1]] = rest
    return found


def _cell(difference: Float[np.ndarray, " Q"], lattice: Lattice) -> Manifold | None:
    """Where a difference of fields is positive, as a solid around which there is nothing of the body."""
    if (difference <= 0).all():
        return None
    grid = lattice.grid
    hair = 1e-4 * grid.spacing
    values = np.where(np.abs(difference) < hair, np.where(difference > 0, hair, -hair), difference)
    block = lattice.block(np.clip(values, -2 * FAR, 2 * FAR), -grid.spacing)
    cells = crossed_cells(block > 0, grid)
    if len(cells) == 0:
        return None
    corners = distinct(cells[:, None] + CORNERS @ grid.strides)
    field = block.reshape(-1)[corners].astype(np.float32)
    surface = extract_surface(NarrowBand(grid, cells, corners, field, len(corners), Box.of(grid)), backend="libigl")
    cell = solid_of(surface)
    return None if cell is None else cell.as_original().simplify(FLAT)
