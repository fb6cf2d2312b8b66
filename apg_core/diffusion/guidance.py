"""Classifier-free guidance with two conditions, and only the rows that it needs.

Three rows could be computed each step: u (dropped image, zero geometry), g (dropped image, geometry) and
ig (image, geometry). `v = u + a (ig - g) + b (g - u)` gives them the weights 1 - b, b - a and a
(docs/how-it-works.md, "Guidance"); a row of weight zero is left out.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from apg_core.protocol.options import GuidanceScales
from apg_core.shapes import GeometrySlots


@dataclass(frozen=True)
class Row:
    """One network evaluation of a step: its weight, and which image and geometry it sees."""

    weight: float
    image: int
    geometry: int


DROPPED_IMAGE, IMAGE = 0, 1
ZERO_GEOMETRY, GEOMETRY = 0, 1


def part_rows(scales: GuidanceScales) -> tuple[Row, ...]:
    """Rows for a part, over images [dropped, given] and geometries [zero, given]; the weights add up to one."""
    rows = (
        Row(1 - scales.geometry, DROPPED_IMAGE, ZERO_GEOMETRY),
        Row(scales.geometry - scales.image, DROPPED_IMAGE, GEOMETRY),
        Row(scales.image, IMAGE, GEOMETRY),
    )
    return tuple(row for row in rows if row.weight != 0)


def whole_rows(scale: float) -> tuple[Row, ...]:
    """Rows for the whole object, over images [dropped, given] and the one zero geometry."""
    rows = (Row(1 - scale, DROPPED_IMAGE, ZERO_GEOMETRY), Row(scale, IMAGE, ZERO_GEOMETRY))
    return tuple(row for row in rows if row.weight != 0)


@dataclass(frozen=True)
class GuidedInput:
    """What one trajectory is conditioned on: distinct images and geometries, and the rows over them."""

    images: Float[Tensor, "I T XX"]
    geometries: GeometrySlots
    rows: tuple[Row, ...]
    sigma: Float[Tensor, "G S"] | None = None
