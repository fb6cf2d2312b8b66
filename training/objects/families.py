"""The families of everyday objects that are trained on; units are free, front is +z, up is +y.

A family draws its sizes from a numpy generator and returns parts in any order.
"""

from collections.abc import Callable

import numpy as np

from training.objects.sketch import Parts, Primitive, arc, ball, box, rod, taper, turn

Family = Callable[[np.random.Generator], Parts]
QUARTER = np.pi / 2


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
                foot = (sx * (x + splay), 0.0, sz * (z + splay))
                legs.append([rod(foot, (sx * x, h + 0.02, sz * z), leg * 0.7, tip=leg)])
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
        table, chair, stool, lamp, mug, bottle, mushroom, snowman, hammer, dumbbell, house, tree,
        robot, rocket, car, bridge, potted_plant, sofa, sword, teddy, bed, assembly,
    )
}  # fmt: skip
