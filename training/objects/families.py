"""The families that are trained on, by name.

A family draws its sizes from a numpy generator and returns parts in any order.
"""

from collections.abc import Callable

import numpy as np

from training.objects import furniture, household, outdoors
from training.objects.sketch import Parts, Primitive, arc, ball, box, rod, taper, turn

Family = Callable[[np.random.Generator], Parts]


def _random_solid(rng: np.random.Generator, x: float, y: float, z: float) -> Primitive:
    tilted = turn(x=rng.uniform(-1, 1), y=rng.uniform(-3, 3), z=rng.uniform(-1, 1))
    rotation = tilted if rng.random() < 0.4 else np.eye(3)
    a, b, c = rng.uniform(0.08, 0.5, 3)
    match int(rng.integers(5)):
        case 0:
            return box((x, y, z), (a, b, c), rounding=rng.uniform(0, 0.08), rotation=rotation)
        case 1:
            end = (x + rng.normal(0, 0.4), y + rng.uniform(0.1, 0.9), z + rng.normal(0, 0.4))
            return rod((x, y, z), end, a * 0.7, tip=b * 0.7, rounding=0.02)
        case 2:
            return ball((x, y, z), (a, b, c), rotation=rotation)
        case 3:
            aperture = rng.uniform(0.8, np.pi)
            return arc((x, y, z), max(a, 0.2), 0.04 + 0.25 * b, aperture=aperture, rotation=rotation)
        case _:
            top = (a * rng.uniform(0, 1), b * rng.uniform(0, 1))
            return taper((x, y, z), (a, b), top, c, rotation=rotation)


def assembly(rng: np.random.Generator) -> Parts:
    """A few random solids, each near an earlier one: variety that no named family has."""
    spots = [np.zeros(3)]
    for _ in range(int(rng.integers(1, 5))):
        spots.append(spots[int(rng.integers(len(spots)))] + rng.normal(0, 0.42, 3))
    return [[_random_solid(rng, *spot)] for spot in spots]


TRAINED: dict[str, Family] = {
    family.__name__: family
    for family in (
        furniture.table,
        furniture.chair,
        furniture.stool,
        furniture.lamp,
        household.mug,
        household.bottle,
        outdoors.mushroom,
        outdoors.snowman,
        household.hammer,
        household.dumbbell,
        outdoors.house,
        outdoors.tree,
        outdoors.robot,
        outdoors.rocket,
        outdoors.car,
        outdoors.bridge,
        household.potted_plant,
        furniture.sofa,
        household.sword,
        outdoors.teddy,
        furniture.bed,
        assembly,
    )
}
