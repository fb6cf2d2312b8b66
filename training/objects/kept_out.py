"""Families that training never sees: they test whether parts generalise to new kinds of objects."""

import numpy as np

from training.objects.families import Family
from training.objects.sketch import QUARTER, Parts, arc, ball, box, rod, taper, turn


def bench(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform(0.8, 1.2), rng.uniform(0.25, 0.4), rng.uniform(0.35, 0.6)
    parts = [[box((0, h, 0), (w, 0.06, d))]]
    for s in (-1, 1):
        parts.append([box((s * w * 0.75, h / 2, 0), (0.07, h / 2, d * 0.9))])
    if rng.random() < 0.7:
        tall = rng.uniform(0.2, 0.35)
        parts.append([box((0, h + tall, -d), (w, tall, 0.06))])
    return parts


def ice_cream(rng: np.random.Generator) -> Parts:
    h, r = rng.uniform(0.7, 1.2), rng.uniform(0.3, 0.45)
    parts = [[rod((0, 0, 0), (0, h, 0), 0.05, tip=r, rounding=0.02)], [ball((0, h + r * 0.35, 0), r * 1.05)]]
    y = h + r * 0.35
    if rng.random() < 0.6:
        y += r * 1.25
        parts.append([ball((0, y, 0), r * 0.8)])
    if rng.random() < 0.6:
        parts.append([ball((0, y + r * 0.95, 0), r * 0.3)])
    return parts


def airplane(rng: np.random.Generator) -> Parts:
    length, r, span = rng.uniform(0.8, 1.1), rng.uniform(0.13, 0.2), rng.uniform(0.5, 0.8)
    parts = [[ball((0, 0, 0), (r, r, length))]]
    for s in (-1, 1):
        parts.append(
            [
                taper(
                    (s * (r + span * 0.9) / 1.0, 0, 0.05),
                    (0.05, 0.25),
                    (0.035, 0.13),
                    span / 1.1,
                    rotation=turn(z=-s * QUARTER),
                )
            ]
        )
    parts.append([taper((0, r + 0.18, -length * 0.85), (0.035, 0.16), (0.03, 0.09), 0.24)])
    parts.append([box((0, 0.04, -length * 0.85), (0.36, 0.035, 0.12))])
    return parts


def umbrella(rng: np.random.Generator) -> Parts:
    h, wide, tall = rng.uniform(1.0, 1.6), rng.uniform(0.6, 0.9), rng.uniform(0.25, 0.45)
    parts = [[rod((0, 0, 0), (0, h + 0.05, 0), 0.05)], [rod((0, h, 0), (0, h + tall, 0), wide, tip=0.05)]]
    hook = rng.uniform(0.13, 0.2)
    parts.append([arc((hook, 0.0, 0), hook, 0.06, aperture=QUARTER, rotation=turn(z=np.pi))])
    return parts


def cactus(rng: np.random.Generator) -> Parts:
    h, r = rng.uniform(0.9, 1.5), rng.uniform(0.16, 0.26)
    parts = [[rod((0, 0.25, 0), (0, h, 0), r, rounding=0.14)]]
    parts.append([rod((0, 0, 0), (0, 0.32, 0), r * 1.5, tip=r * 1.9, rounding=0.02)])
    for s in (-1, 1):
        if rng.random() < 0.8:
            y, out, up = h * rng.uniform(0.45, 0.65), r + rng.uniform(0.15, 0.25), rng.uniform(0.25, 0.5)
            arm = r * 0.55
            parts.append(
                [
                    rod((s * r * 0.7, y, 0), (s * (out + arm * 0.5), y, 0), arm, rounding=0.06),
                    rod((s * out, y - arm * 0.6, 0), (s * out, y + up, 0), arm, rounding=0.08),
                ]
            )
    return parts


KEPT_OUT: dict[str, Family] = {family.__name__: family for family in (bench, ice_cream, airplane, umbrella, cactus)}
