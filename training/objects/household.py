"""Things to hold, among the families that are trained on; units are free, front is +z, up is +y."""

import numpy as np

from training.objects.sketch import QUARTER, Parts, arc, ball, box, rod, taper, turn


def mug(rng: np.random.Generator) -> Parts:
    r, h = rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.8)
    tip = r * rng.uniform(0.85, 1.25)
    ring = h * rng.uniform(0.45, 0.7)
    side = rng.choice([-1, 1])
    handle = arc(
        (side * (r + tip) / 2 * 0.98, 0, 0),
        ring,
        rng.uniform(0.06, 0.1),
        aperture=QUARTER + 0.1,
        rotation=turn(z=-side * QUARTER),
    )
    parts = [[rod((0, -h, 0), (0, h, 0), r, tip=tip, rounding=0.04)], [handle]]
    if rng.random() < 0.3:
        parts.append([rod((0, h - 0.02, 0), (0, h + 0.1, 0), tip * 1.05, rounding=0.03), ball((0, h + 0.16, 0), 0.09)])
    if rng.random() < 0.4:
        parts.append([rod((0, -h - 0.08, 0), (0, -h + 0.01, 0), r * rng.uniform(1.4, 1.9), rounding=0.02)])
    return parts


def bottle(rng: np.random.Generator) -> Parts:
    r, h = rng.uniform(0.3, 0.5), rng.uniform(0.5, 1.0)
    neck, shoulder, throat = r * rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.4)
    body = [rod((0, 0, 0), (0, 2 * h, 0), r, tip=r * rng.uniform(0.85, 1.0), rounding=0.05)]
    body.append(rod((0, 2 * h - 0.08, 0), (0, 2 * h + shoulder, 0), r * 0.85, tip=neck, rounding=0.01))
    y = 2 * h + shoulder
    parts = [body, [rod((0, y - 0.03, 0), (0, y + throat, 0), neck)]]
    cap = rng.uniform(0.1, 0.22)
    parts.append(
        [rod((0, y + throat - 0.02, 0), (0, y + throat + cap, 0), neck * rng.uniform(1.1, 1.5), rounding=0.02)]
    )
    if rng.random() < 0.4:
        middle = h * rng.uniform(0.7, 1.2)
        parts.append([rod((0, middle - 0.25, 0), (0, middle + 0.25, 0), r * 1.05, rounding=0.01)])
    return parts


def hammer(rng: np.random.Generator) -> Parts:
    h, r = rng.uniform(1.0, 1.7), rng.uniform(0.06, 0.11)
    size, wide = rng.uniform(0.13, 0.22), rng.uniform(0.25, 0.5)
    grip = h * rng.uniform(0.3, 0.5)
    head = (
        [box((0, h, 0), (wide, size, size), rounding=0.03)]
        if rng.random() < 0.5
        else [rod((-wide, h, 0), (wide, h, 0), size, rounding=0.03)]
    )
    parts = [[rod((0, grip - 0.03, 0), (0, h - size * 0.7, 0), r)], head]
    parts.append([rod((0, 0, 0), (0, grip, 0), r * 1.45, rounding=0.05)])
    if rng.random() < 0.5:
        parts.append(
            [taper((-wide - 0.2, h, 0), (size * 0.9, size * 0.8), (0.0, size * 0.8), 0.22, rotation=turn(z=QUARTER))]
        )
    return parts


def dumbbell(rng: np.random.Generator) -> Parts:
    half, bar = rng.uniform(0.6, 1.0), rng.uniform(0.07, 0.13)
    thick, r = rng.uniform(0.1, 0.25), rng.uniform(0.3, 0.55)
    parts = [[rod((-half, 0, 0), (half, 0, 0), bar)]]
    kind = int(rng.integers(3))
    for s in (-1, 1):
        x = s * (half + thick * 0.4)
        if kind == 0:
            parts.append([ball((s * (half + 0.1), 0, 0), r * 0.8)])
        elif kind == 1:
            parts.append([rod((x - thick, 0, 0), (x + thick, 0, 0), r, rounding=0.04)])
        else:
            parts.append([box((x, 0, 0), (thick, r * 0.75, r * 0.75), rounding=0.06)])
            parts.append([box((x - s * thick * 2, 0, 0), (thick * 0.6, r * 0.55, r * 0.55), rounding=0.04)])
    return parts


def sword(rng: np.random.Generator) -> Parts:
    blade, wide = rng.uniform(0.7, 1.1), rng.uniform(0.1, 0.18)
    grip, guard = rng.uniform(0.2, 0.35), rng.uniform(0.25, 0.5)
    y = 2 * grip
    edge = [box((0, y + blade, 0), (wide, blade, 0.045), rounding=0.02)]
    edge.append(taper((0, y + 2 * blade + wide - 0.02, 0), (wide, 0.045), (0.0, 0.03), wide))
    parts = [[rod((0, 0, 0), (0, y, 0), 0.07)], edge, [box((0, y, 0), (guard, 0.06, 0.09), rounding=0.03)]]
    if rng.random() < 0.7:
        parts.append([ball((0, -0.03, 0), rng.uniform(0.1, 0.15))])
    return parts


def potted_plant(rng: np.random.Generator) -> Parts:
    r, h = rng.uniform(0.25, 0.45), rng.uniform(0.3, 0.5)
    pot = r * rng.uniform(1.1, 1.5)
    stem = rng.uniform(0.4, 1.0)
    parts = [[rod((0, 0, 0), (0, h, 0), r, tip=pot, rounding=0.02)]]
    if rng.random() < 0.5:
        parts.append([rod((0, h - 0.02, 0), (0, h + 0.1, 0), pot * 1.12, rounding=0.02)])
    parts.append([rod((0, h, 0), (0, h + stem, 0), 0.06, tip=0.05)])
    top = h + stem
    if rng.random() < 0.5:
        parts.append(
            [ball((0, top + 0.1, 0), (rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.4), rng.uniform(0.25, 0.45)))]
        )
    else:
        parts.append([ball((0, top, 0), 0.13)])
        size = rng.uniform(0.13, 0.18)
        parts.append(
            [
                ball((0.26 * np.cos(a), top + 0.26 * np.sin(a), 0), (size, size, 0.06))
                for a in np.arange(5) * 2 * np.pi / 5 + QUARTER
            ]
        )
    for s in (-1, 1):
        if rng.random() < 0.5:
            parts.append(
                [ball((s * 0.26, h + stem * rng.uniform(0.35, 0.6), 0), (0.26, 0.05, 0.12), rotation=turn(z=s * 0.6))]
            )
    return parts
