"""Furniture that is trained on; units are free, front is +z, up is +y."""

import numpy as np

from training.objects.sketch import QUARTER, Parts, arc, ball, box, rod, turn


def table(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform(0.6, 1.2), rng.uniform(0.4, 0.9), rng.uniform(0.5, 1.1)
    thick, leg = rng.uniform(0.03, 0.09), rng.uniform(0.04, 0.1)
    inset = rng.uniform(0.0, 0.15)
    x, z = w - leg - inset * w, d - leg - inset * d
    if rng.random() < 0.4:
        top = rod((0, h, 0), (0, h + 2 * thick, 0), w) if rng.random() < 0.5 else box((0, h + thick, 0), (w, thick, d))
        foot_radius = rng.uniform(0.4, 0.7) * min(w, d)
        foot = rod((0, -0.02, 0), (0, rng.uniform(0.05, 0.15), 0), foot_radius, tip=foot_radius * rng.uniform(0.5, 1))
        return [[top], [rod((0, 0.04, 0), (0, h + 0.01, 0), rng.uniform(0.06, 0.14))], [foot]]
    top = box((0, h + thick, 0), (w, thick, d), rounding=rng.uniform(0.005, 0.03))
    round_legs, splay = rng.random() < 0.5, rng.uniform(0, 0.12)
    legs = []
    for sx in (-1, 1):
        for sz in (-1, 1):
            if round_legs:
                ground = (sx * (x + splay), 0.0, sz * (z + splay))
                legs.append([rod(ground, (sx * x, h + 0.02, sz * z), leg * 0.7, tip=leg)])
            else:
                legs.append([box((sx * x, h / 2, sz * z), (leg * 0.8, h / 2 + 0.01, leg * 0.8))])
    parts = [[top], *legs]
    if rng.random() < 0.3:
        parts.append([box((0, h * rng.uniform(0.2, 0.5), 0), (x, 0.035, z * 0.95))])
    return parts


def chair(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.9)
    thick, leg = rng.uniform(0.04, 0.09), rng.uniform(0.045, 0.08)
    seat = box((0, h, 0), (w, thick, d), rounding=0.03)
    legs = [
        [
            rod(
                (sx * (w - leg), 0, sz * (d - leg)),
                (sx * (w - leg), h, sz * (d - leg)),
                leg * rng.uniform(0.7, 1),
                tip=leg,
            )
        ]
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    back_height, lean = rng.uniform(0.35, 0.75), rng.uniform(0, 0.25)
    back = box(
        (0, h + back_height + thick * 0.5, -d + 0.05 - lean * back_height),
        (w * rng.uniform(0.75, 1), back_height, rng.uniform(0.04, 0.08)),
        rotation=turn(x=-lean),
        rounding=0.03,
    )
    parts = [[seat], *legs, [back]]
    if rng.random() < 0.3:
        arm = h + rng.uniform(0.25, 0.4)
        for sx in (-1, 1):
            parts.append(
                [
                    box((sx * w * 0.95, arm, 0), (0.06, 0.035, d * 0.95), rounding=0.02),
                    rod((sx * w * 0.95, h, d * 0.7), (sx * w * 0.95, arm, d * 0.7), 0.045),
                ]
            )
    return parts


def stool(rng: np.random.Generator) -> Parts:
    r, h, count = rng.uniform(0.35, 0.6), rng.uniform(0.6, 1.4), int(rng.integers(3, 5))
    spread, leg = rng.uniform(0.6, 1.15), rng.uniform(0.045, 0.08)
    parts = [[rod((0, h, 0), (0, h + rng.uniform(0.08, 0.25), 0), r, tip=r * rng.uniform(0.85, 1), rounding=0.04)]]
    start = rng.uniform(0, np.pi)
    for i in range(count):
        a = start + 2 * np.pi * i / count
        c, s = np.cos(a), np.sin(a)
        parts.append([rod((r * spread * c, 0, r * spread * s), (r * 0.6 * c, h + 0.02, r * 0.6 * s), leg)])
    if rng.random() < 0.5:
        at = rng.uniform(0.25, 0.5)
        ring = r * (spread + (0.6 - spread) * at)
        parts.append([arc((0, h * at, 0), ring, 0.04, rotation=turn(x=QUARTER))])
    return parts


def lamp(rng: np.random.Generator) -> Parts:
    h, base = rng.uniform(0.9, 1.8), rng.uniform(0.3, 0.5)
    low = rng.uniform(0.05, 0.2)
    pole = rng.uniform(0.04, 0.08)
    shade_height, shade = rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.6)
    foot = rod((0, 0, 0), (0, low, 0), base, tip=base * rng.uniform(0.4, 1), rounding=0.02)
    parts = [
        [foot],
        [rod((0, low - 0.02, 0), (0, h + 0.05, 0), pole)],
        [rod((0, h, 0), (0, h + shade_height, 0), shade, tip=shade * rng.uniform(0.35, 0.9))],
    ]
    if rng.random() < 0.3:
        parts.append([ball((0, h + shade_height + 0.05, 0), rng.uniform(0.06, 0.1))])
    if rng.random() < 0.3:
        parts.append([ball((0, low + (h - low) * rng.uniform(0.3, 0.7), 0), rng.uniform(0.1, 0.2))])
    return parts


def sofa(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform(0.7, 1.2), rng.uniform(0.4, 0.55), rng.uniform(0.15, 0.25)
    arm, back = rng.uniform(0.1, 0.18), rng.uniform(0.3, 0.5)
    soft = rng.uniform(0.03, 0.09)
    parts = [[box((0, h, 0), (w, h, d), rounding=0.03)]]
    parts.append([box((0, h + back, -d - 0.08), (w + arm, h + back * 0.9, 0.12), rounding=soft)])
    for s in (-1, 1):
        parts.append([box((s * (w + arm * 0.9), h * 1.5, 0.02), (arm, h * 1.5, d), rounding=soft)])
    count = int(rng.integers(1, 4))
    each = w / count
    for i in range(count):
        parts.append([box((-w + each * (2 * i + 1), 2 * h + 0.08, 0.02), (each * 0.96, 0.1, d * 0.95), rounding=soft)])
    return parts


def bed(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform(0.5, 0.9), rng.uniform(0.9, 1.1), rng.uniform(0.1, 0.2)
    parts = [[box((0, h, 0), (w, h, d))], [box((0, 2 * h + 0.1, 0), (w * 0.96, 0.12, d * 0.96), rounding=0.06)]]
    parts.append([box((0, h + rng.uniform(0.25, 0.4), -d), (w * 1.03, h + rng.uniform(0.25, 0.4), 0.06))])
    count = int(rng.integers(1, 3))
    for i in range(count):
        x = (i - (count - 1) / 2) * w
        parts.append([box((x, 2 * h + 0.26, -d * 0.7), (w * 0.8 / count, 0.08, 0.2), rounding=0.07)])
    if rng.random() < 0.5:
        parts.append([box((0, h * 1.6, d), (w * 1.03, h * 1.6, 0.05))])
    return parts
