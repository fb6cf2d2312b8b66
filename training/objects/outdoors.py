"""Things outside, and figures, among the families that are trained on; units are free, front is +z, up is +y."""

import numpy as np

from training.objects.sketch import QUARTER, Parts, arc, ball, box, rod, taper, turn


def mushroom(rng: np.random.Generator) -> Parts:
    h, r, cap = rng.uniform(0.5, 1.2), rng.uniform(0.15, 0.3), rng.uniform(0.5, 0.9)
    parts = [[rod((0, 0, 0), (0, h, 0), r * rng.uniform(1, 1.5), tip=r, rounding=0.05)]]
    parts.append([ball((0, h, 0), (cap, rng.uniform(0.25, 0.55), cap))])
    if rng.random() < 0.5:
        parts.append([arc((0, h * rng.uniform(0.4, 0.6), 0), r * 1.25, 0.07, rotation=turn(x=QUARTER))])
    if rng.random() < 0.4:
        parts.append([ball((0, -0.02, 0), (r * 2.6, 0.12, r * 2.6))])
    return parts


def snowman(rng: np.random.Generator) -> Parts:
    r0, r1, r2 = rng.uniform(0.45, 0.65), rng.uniform(0.33, 0.45), rng.uniform(0.22, 0.34)
    y1 = r0 + r1 * 0.85 + r0 * 0.1
    y2 = y1 + r1 * 0.85 + r2 * 0.9
    parts = [[ball((0, 0.0, 0), r0)], [ball((0, y1 - 0.1, 0), r1)], [ball((0, y2 - 0.1, 0), r2)]]
    y2 -= 0.1
    if rng.random() < 0.7:
        parts.append([rod((0, y2, r2 * 0.85), (0, y2, r2 + rng.uniform(0.2, 0.4)), 0.08, tip=0.02, rounding=0.0)])
    if rng.random() < 0.6:
        brim = y2 + r2 * 0.8
        parts.append(
            [
                rod((0, brim, 0), (0, brim + 0.06, 0), r2 * 1.2),
                rod((0, brim, 0), (0, brim + rng.uniform(0.25, 0.45), 0), r2 * 0.75),
            ]
        )
    if rng.random() < 0.5:
        for s in (-1, 1):
            parts.append([rod((s * r1 * 0.85, y1 - 0.05, 0), (s * (r1 + 0.5), y1 + rng.uniform(0, 0.35), 0), 0.05)])
    return parts


def house(rng: np.random.Generator) -> Parts:
    w, h, d = rng.uniform(0.6, 1.0), rng.uniform(0.3, 0.7), rng.uniform(0.5, 1.0)
    roof, over = rng.uniform(0.2, 0.45), rng.uniform(1.05, 1.2)
    ridge = 0.0 if rng.random() < 0.6 else w * rng.uniform(0.3, 0.7)
    along = d * over if rng.random() < 0.6 else d * 0.2
    parts = [[box((0, h, 0), (w, h, d), rounding=0.01)]]
    parts.append([taper((0, 2 * h + roof - 0.02, 0), (w * over, d * over), (ridge, along), roof)])
    if rng.random() < 0.7:
        x, z = rng.choice([-1, 1]) * w * rng.uniform(0.35, 0.6), rng.uniform(-0.5, 0.5) * d
        size = rng.uniform(0.09, 0.15)
        parts.append([box((x, 2 * h + roof, z), (size, roof * rng.uniform(0.9, 1.3), size), rounding=0.01)])
    if rng.random() < 0.7:
        parts.append([box((rng.uniform(-0.3, 0.3) * w, h * 0.55, d), (0.16, h * 0.55, 0.06), rounding=0.01)])
    if rng.random() < 0.3:
        parts.append([box((rng.choice([-1, 1]) * (w + 0.28), h * 0.6, 0), (0.3, h * 0.6, d * 0.7), rounding=0.01)])
    return parts


def tree(rng: np.random.Generator) -> Parts:
    h, r = rng.uniform(0.4, 1.0), rng.uniform(0.1, 0.2)
    parts = [[rod((0, 0, 0), (0, h + 0.1, 0), r * rng.uniform(1.0, 1.6), tip=r)]]
    if rng.random() < 0.5:
        y, wide = h, rng.uniform(0.5, 0.8)
        for _ in range(int(rng.integers(1, 4))):
            tall = rng.uniform(0.45, 0.75)
            parts.append(
                [rod((0, y, 0), (0, y + tall, 0), wide, tip=wide * 0.2 if rng.random() < 0.5 else 0.03, rounding=0.02)]
            )
            y, wide = y + tall * 0.65, wide * rng.uniform(0.65, 0.85)
    else:
        crown = rng.uniform(0.4, 0.65)
        parts.append([ball((0, h + crown * 0.75, 0), (crown, crown * rng.uniform(0.75, 1.2), crown))])
        for s in (-1, 1):
            if rng.random() < 0.4:
                parts.append(
                    [ball((s * crown * 0.85, h + crown * rng.uniform(0.3, 0.8), 0), crown * rng.uniform(0.4, 0.6))]
                )
    return parts


def rocket(rng: np.random.Generator) -> Parts:
    r, h = rng.uniform(0.22, 0.36), rng.uniform(0.5, 0.9)
    nose = rng.uniform(0.3, 0.7)
    parts = [
        [rod((0, -h, 0), (0, h, 0), r, rounding=0.02)],
        [rod((0, h - 0.02, 0), (0, h + nose, 0), r, tip=0.04, rounding=0.02)],
    ]
    count, fin, start = int(rng.integers(2, 5)), rng.uniform(0.2, 0.4), rng.uniform(0, np.pi)
    for i in range(count):
        a = start + 2 * np.pi * i / count
        out = r + fin * 0.45
        parts.append(
            [
                taper(
                    (out * np.cos(a), -h + fin * 0.4, -out * np.sin(a)),
                    (fin * 0.55, 0.05),
                    (fin * 0.2, 0.03),
                    fin * 0.8,
                    rotation=turn(y=a),
                )
            ]
        )
    if rng.random() < 0.6:
        parts.append(
            [rod((0, -h - rng.uniform(0.15, 0.3), 0), (0, -h + 0.01, 0), r * rng.uniform(0.6, 0.95), tip=r * 0.5)]
        )
    return parts


def car(rng: np.random.Generator) -> Parts:
    length, high, wide = rng.uniform(0.8, 1.2), rng.uniform(0.16, 0.3), rng.uniform(0.4, 0.55)
    wheel = rng.uniform(0.18, 0.27)
    body = box((0, wheel + high, 0), (wide, high, length), rounding=0.07)
    cabin_half, cab = length * rng.uniform(0.35, 0.65), rng.uniform(0.16, 0.28)
    cabin = taper(
        (0, wheel + 2 * high + cab * 0.95, -length * rng.uniform(0, 0.3)),
        (wide * 0.9, cabin_half),
        (wide * 0.75, cabin_half * rng.uniform(0.6, 0.95)),
        cab,
    )
    parts = [[body], [cabin]]
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * wide, sz * length * 0.6
            parts.append([rod((x - 0.1, wheel, z), (x + 0.1, wheel, z), wheel, rounding=0.03)])
    if rng.random() < 0.25:
        parts.append([box((0, wheel + 2 * high + 0.12, -length * 0.9), (wide * 0.9, 0.035, 0.12))])
    return parts


def bridge(rng: np.random.Generator) -> Parts:
    half, d, h = rng.uniform(0.8, 1.2), rng.uniform(0.25, 0.5), rng.uniform(0.4, 0.8)
    thick = rng.uniform(0.05, 0.1)
    parts = [[box((0, h, 0), (half, thick, d), rounding=0.02)]]
    for x in np.linspace(-0.7, 0.7, int(rng.integers(2, 4))):
        parts.append([box((x * half, h / 2, 0), (rng.uniform(0.08, 0.15), h / 2, d * 0.85), rounding=0.03)])
    if rng.random() < 0.6:
        for s in (-1, 1):
            rail = [box((0, h + thick + 0.2, s * d * 0.9), (half * 0.97, 0.035, 0.035))]
            rail += [
                rod((x * half, h, s * d * 0.9), (x * half, h + thick + 0.2, s * d * 0.9), 0.035) for x in (-0.9, 0, 0.9)
            ]
            parts.append(rail)
    elif rng.random() < 0.6:
        parts.append([arc((0, h - half * 0.35, 0), half * 1.02, 0.07, aperture=1.15)])
    return parts


def robot(rng: np.random.Generator) -> Parts:
    w, h, d = rng.uniform(0.3, 0.5), rng.uniform(0.35, 0.6), rng.uniform(0.2, 0.35)
    leg, limb = rng.uniform(0.3, 0.6), rng.uniform(0.08, 0.13)
    head = rng.uniform(0.2, 0.32)
    boxy = rng.random() < 0.5
    parts = [[box((0, 0, 0), (w, h, d), rounding=rng.uniform(0.02, 0.15))]]
    top = h + head * 0.9
    parts.append(
        [box((0, top, 0), (head * 1.1, head, head), rounding=0.04)] if rng.random() < 0.6 else [ball((0, top, 0), head)]
    )
    lift = rng.uniform(-0.9, 0.5)
    for s in (-1, 1):
        hip, hand = s * w * 0.55, (s * (w + limb * 0.7 + 0.35), h * 0.6 + lift * 0.6, 0.0)
        if boxy:
            parts.append([box((hip, -h - leg * 0.95, 0), (limb * 1.3, leg, limb * 1.3))])
        else:
            parts.append([rod((hip, -h + 0.03, 0), (hip, -h - 2 * leg, 0), limb * 1.2, rounding=0.03)])
        parts.append([rod((s * w * 0.97, h * 0.6, 0), hand, limb, rounding=0.04)])
    if rng.random() < 0.4:
        y = top + head
        parts.append([rod((0, y - 0.03, 0), (0, y + 0.2, 0), 0.04), ball((0, y + 0.22, 0), 0.08)])
    return parts


def teddy(rng: np.random.Generator) -> Parts:
    body, head = rng.uniform(0.38, 0.55), rng.uniform(0.3, 0.42)
    y = body * 1.05 + head * 0.75
    limb = rng.uniform(0.13, 0.19)
    parts = [[ball((0, 0, 0), (body * 0.9, body * 1.1, body * 0.8))], [ball((0, y, 0), head)]]
    ear = head * rng.uniform(0.3, 0.42)
    for s in (-1, 1):
        parts.append([ball((s * head * 0.75, y + head * 0.75, 0), (ear, ear, ear * 0.6))])
        parts.append(
            [
                rod(
                    (s * body * 0.7, body * 0.55, 0),
                    (s * (body + 0.3), rng.uniform(-0.1, 0.5), 0.1),
                    limb,
                    rounding=0.12,
                )
            ]
        )
        parts.append(
            [rod((s * body * 0.5, -body * 0.75, 0.05), (s * body * 0.65, -body - 0.3, 0.3), limb * 1.1, rounding=0.13)]
        )
    return parts
