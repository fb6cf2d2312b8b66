"""Random objects by family, seeded."""

import math
from collections.abc import Mapping

import numpy as np

from training.objects.batch import ObjectBatch, assemble
from training.objects.families import Family


def draw_objects(
    families: Mapping[str, Family], count: int, *, rng: np.random.Generator, turned: float = 0.5
) -> tuple[ObjectBatch, list[str]]:
    """Objects of equally likely families, and each one's family name.

    A share `turned` faces any direction about the vertical; the others face +z within 8 degrees.
    """
    names = rng.choice(list(families), count).tolist()
    sketches = [families[name](rng) for name in names]
    yaws = [
        rng.uniform(-math.pi, math.pi) if rng.random() < turned else rng.uniform(-1, 1) * math.radians(8)
        for _ in range(count)
    ]
    return assemble(sketches, yaws), names
