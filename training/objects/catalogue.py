"""Families of solids to train on, as a table of designs over a few ways of building; and free compositions.

None is of a kind that `kept_out.py` tests with. A family draws its sizes and returns closed meshes, one a part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from manifold3d import Manifold, OpType

from apg_core.geometry.parts.solids import mesh_of
from apg_core.protocol.mesh import TriangleMesh
from training.objects.solids import (
    Point,
    ball,
    bar,
    beam,
    block,
    bowed,
    cut_out,
    frame,
    open_box,
    ring,
    tube,
    turned,
    vessel,
    wheel,
)

MOST_PARTS = 10
SIGNS = (-1, 1)


@dataclass
class Draw:
    """Random sizes of one object."""

    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.sides = int(self.rng.choice([5, 6, 8, 10, 16, 24]))

    def of(self, low: float, high: float) -> float:
        """Uniform."""
        return float(self.rng.uniform(low, high))

    def thin(self, low: float, high: float) -> float:
        """Uniform in its logarithm, so that thin ones are as likely as thick ones."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, *options: str) -> str:
        return str(self.rng.choice(options))

    def many(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))


Design = Callable[[Draw], list[Manifold]]


def legged(
    d: Draw, *, height: tuple[float, float], top: str, back: float = 0, arms: float = 0, extras: float = 0.3
) -> list[Manifold]:
    """Something flat on legs: tables, seats, beds, workbenches."""
    w, z, h = d.of(0.35, 1.1), d.of(0.3, 0.7), d.of(*height)
    thick, leg = d.thin(0.015, 0.1), d.thin(0.015, 0.1)
    parts: list[Manifold] = []
    if top == "disc":
        z = w
        parts.append(wheel((0, h, 0), w, thick, axis="y", sides=max(d.sides, 8)))
    elif top == "soft":
        thick = d.of(0.08, 0.2)
        parts.append(block((0, h, 0), (w, thick, z)))
    else:
        parts.append(block((0, h, 0), (w, thick, z)))
    inset = d.of(0, 0.25)
    x, deep = (w - leg) * (1 - inset), (z - leg) * (1 - inset)
    style = (
        d.pick("square", "round", "splayed", "boards", "pedestal", "sledge")
        if top != "disc"
        else d.pick("pedestal", "round")
    )
    if style == "pedestal":
        foot = min(w, z) * d.of(0.4, 0.9)
        parts += [bar((0, 0, 0), (0, h, 0), leg * 1.3, sides=d.sides)]
        parts += [wheel((0, 0, 0), foot, d.thin(0.01, 0.06), axis="y", sides=max(d.sides, 8))]
    elif style == "boards":
        parts += [block((s * x, h / 2, 0), (leg / 2, h / 2, z * d.of(0.7, 1))) for s in SIGNS]
    elif style == "sledge":
        for s in SIGNS:
            path = [(s * x, h, -deep), (s * x, 0, -deep), (s * x, 0, deep), (s * x, h, deep)]
            parts.append(tube(path, leg * 0.7, sides=4 if d.chance(0.5) else d.sides))
    else:
        x, deep = (x * 0.68, deep * 0.68) if top == "disc" else (x, deep)
        out = d.of(0.02, 0.2) if style == "splayed" else 0.0
        for sx in SIGNS:
            for sz in SIGNS:
                ground, high = (sx * (x + out), 0, sz * (deep + out)), (sx * x, h, sz * deep)
                slim = d.of(0.5, 1)
                parts.append(
                    beam(ground, high, leg * 2, leg * 2)
                    if style == "square"
                    else bar(ground, high, leg * slim, leg, sides=d.sides)
                )
    if d.chance(back):
        tall, lean = d.of(0.3, 0.9), d.of(0, 0.2)
        rest = [(0, h, -z + leg), (0, h + tall, -z + leg - lean)]
        match d.pick("board", "rails", "frame"):
            case "board":
                parts.append(beam(rest[0], rest[1], 2 * w * d.of(0.7, 1), d.thin(0.03, 0.15)))
            case "rails":
                posts = [beam((s * (w - leg), *rest[0][1:]), (s * (w - leg), *rest[1][1:]), leg, leg) for s in SIGNS]
                slats = [
                    beam(
                        (-w, h + tall * f, -z + leg - lean * f),
                        (w, h + tall * f, -z + leg - lean * f),
                        leg,
                        tall * 0.15,
                    )
                    for f in np.linspace(0.35, 0.95, d.many(1, 3))
                ]
                parts += [*posts, *slats]
            case _:
                parts.append(frame((0, h + tall / 2, -z + leg), (w, tall / 2 + thick, leg), max(leg, 0.05)))
    if d.chance(arms):
        up = h + d.of(0.2, 0.4)
        if top == "soft":
            parts += [block((s * (w + thick * 0.6), h, 0), (thick * 0.7, d.of(0.2, 0.35), z)) for s in SIGNS]
        else:
            parts += [
                tube([(s * w, h, z * 0.7), (s * w, up, z * 0.7), (s * w, up, -z)], leg, sides=d.sides) for s in SIGNS
            ]
    if d.chance(extras):
        match d.pick("shelf", "drawer", "cushion", "apron"):
            case "shelf":
                parts.append(block((0, h * d.of(0.15, 0.5), 0), (x, thick * 0.7, deep)))
            case "drawer":
                parts.append(block((0, h - thick - 0.1, z * 0.4), (x * 0.6, 0.1, z * 0.55)))
            case "cushion":
                parts.append(block((0, h + thick + 0.04, 0), (w * 0.9, 0.05, z * 0.9)))
            case _:
                parts.append(block((0, h - thick * 2, deep), (x, thick * 1.5, leg * 0.7)))
    return parts


def cabinet(
    d: Draw, *, shape: tuple[float, float, float], front: Sequence[str], feet: float = 0.4, lid: float = 0
) -> list[Manifold]:
    """A hollow box with doors, drawers or shelves."""
    w, h, z = (size * d.of(0.7, 1.3) for size in shape)
    wall, board = d.thin(0.02, 0.08), d.thin(0.015, 0.06)
    parts: list[Manifold] = [
        open_box((0, 0, 0), (w, h, z), wall, toward="+z") if d.chance(0.8) else block((0, 0, 0), (w, h, z))
    ]
    count, kind = d.many(1, 4), d.pick(*front)
    knobs = d.chance(0.5)
    if kind == "doors":
        count = min(count, 2)
        for i in range(count):
            half = w / count
            x, turn = -w + half * (2 * i + 1), d.of(0, 110) if d.chance(0.3) else 0.0
            side = -1 if i == 0 else 1
            door = block((0, 0, z + board * 0.9), (half * 0.97, h * 0.97, board))
            if knobs:
                door += ball((-side * half * 0.75, 0, z + board * 2), d.thin(0.02, 0.06), sides=8)
            hinge = side * half
            parts.append(door.translate((-hinge, 0, -z)).rotate((0, side * -turn, 0)).translate((hinge + x, 0, z)))
    elif kind == "drawers":
        for i in range(count):
            tall = h / count
            y, out = -h + tall * (2 * i + 1), d.of(0, z) if d.chance(0.3) else 0.0
            box = (
                open_box((0, y, out), (w - wall, tall * 0.9, z), wall, toward="+y")
                if d.chance(0.5)
                else block((0, y, z + out), (w * 0.93, tall * 0.9, board * 2))
            )
            if knobs:
                box += bar((-w * 0.2, y, z + out + 0.04), (w * 0.2, y, z + out + 0.04), 0.05, sides=6)
            parts.append(box)
    else:
        parts += [block((0, y, 0), (w - wall / 2, board, z * 0.98)) for y in np.linspace(-h, h, count + 2)[1:-1]]
    if d.chance(feet):
        tall, size = d.of(0.05, 0.3), d.thin(0.02, 0.08)
        if d.chance(0.6):
            parts += [
                block((sx * (w - size), -h - tall / 2, sz * (z - size)), (size, tall / 2 + 0.01, size))
                for sx in SIGNS
                for sz in SIGNS
            ]
        else:
            parts.append(block((0, -h - tall / 2, 0), (w * 0.95, tall / 2 + 0.01, z * 0.9)))
    if d.chance(lid):
        if d.chance(0.5):
            arch = [(z * np.cos(a), h + z * 0.8 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
            parts.append(cut_out(arch, w, axis="x"))
        else:
            parts.append(block((0, h + board, 0), (w * d.of(1, 1.08), board * 1.5, z * d.of(1, 1.08))))
    return parts


def pot(
    d: Draw,
    *,
    outline: Sequence[tuple[float, float]],
    handles: int = 0,
    spout: float = 0,
    lid: float = 0,
    base: float = 0,
    filled: float = 0,
    stem: float = 0,
) -> list[Manifold]:
    """A hollow turned thing with what belongs to it; the outline's height is 1."""
    sides = max(d.sides, 8)
    wide, tall = d.of(0.7, 1.3), d.of(0.7, 1.4)
    points = [(max(r * wide * d.of(0.9, 1.1), 0.03), y * tall) for r, y in outline]
    wall = d.thin(0.02, 0.1)
    parts: list[Manifold] = [vessel(points, wall, sides=sides) if d.chance(0.75) else turned(points, sides=sides)]
    rim, belly = points[-1][0], max(r for r, _ in points)
    for i in range(handles):
        s = 1 if i == 0 else -1
        x = s * np.interp(tall * 0.6, [y for _, y in points], [r for r, _ in points]) * 0.97
        match d.pick("loop", "bar", "ear"):
            case "loop":
                path = bowed((x, tall * d.of(0.15, 0.35), 0), (x, tall * d.of(0.7, 0.9), 0), (s * d.of(0.2, 0.5), 0, 0))
                parts.append(tube(path, d.thin(0.025, 0.08), sides=8))
            case "bar":
                parts.append(
                    bar(
                        (s * rim * 0.95, tall * 0.85, 0),
                        (s * (rim + d.of(0.5, 1.2)), tall * d.of(0.85, 1.1), 0),
                        d.thin(0.03, 0.09),
                        sides=8,
                    )
                )
            case _:
                parts.append(block((s * (rim + 0.1), tall * 0.85, 0), (0.13, 0.04, d.of(0.1, 0.25))))
    if d.chance(spout):
        parts.append(
            bar(
                (-belly * 0.85, tall * 0.4, 0),
                (-belly - d.of(0.2, 0.5), tall * d.of(0.8, 1.1), 0),
                d.of(0.1, 0.18),
                d.of(0.04, 0.09),
                sides=8,
            )
        )
    if d.chance(lid):
        top = tall + wall
        cap = turned([(rim * d.of(1, 1.1), tall - 0.01), (rim * d.of(0.6, 1.05), tall + d.of(0.05, 0.25))], sides=sides)
        parts.append(cap + ball((0, top + 0.15, 0), d.of(0.06, 0.14), sides=8) if d.chance(0.6) else cap)
    elif d.chance(filled):
        y = tall * d.of(0.6, 0.95)
        r = float(np.interp(y, [y for _, y in points], [r for r, _ in points]))
        parts.append(wheel((0, y - 0.1, 0), max(r - wall * 0.5, 0.05), d.of(0.08, 0.15), axis="y", sides=sides))
        for _ in range(d.many(0, 3)):
            parts.append(ball((d.of(-0.5, 0.5) * r, y + 0.1, d.of(-0.5, 0.5) * r), d.of(0.1, 0.25), sides=d.sides))
    if d.chance(base):
        parts.append(wheel((0, -0.02, 0), belly * d.of(1.1, 1.6), d.thin(0.02, 0.08), axis="y", sides=sides))
    if d.chance(stem):
        low = d.of(0.3, 0.9)
        parts += [
            bar((0, -low, 0), (0, 0.03, 0), d.thin(0.03, 0.08), sides=sides),
            wheel((0, -low, 0), belly * d.of(0.6, 1), 0.03, axis="y", sides=sides),
        ]
    return parts


BLADE = [(-0.1, 0), (0.1, 0), (0.09, 1.1), (0, 1.35), (-0.09, 1.1)]
HEADS: dict[str, Callable[[Draw], list[Manifold]]] = {
    "blade": lambda d: [
        cut_out([(x * d.of(0.8, 1.8), y) for x, y in BLADE], d.thin(0.015, 0.06)),
        block((0, 0, 0), (d.of(0.15, 0.5), 0.05, 0.08)),
    ],
    "axe": lambda d: [
        cut_out(
            [(0, -0.15), (s * 0.45, -0.32), (s * d.of(0.5, 0.6), 0), (s * 0.45, 0.32), (0, 0.15)][::s],
            d.thin(0.03, 0.09),
        )
        for s in (SIGNS if d.chance(0.4) else (1,))
    ],
    "hammer": lambda d: [block((0, 0, 0), (d.of(0.25, 0.5), d.of(0.12, 0.25), d.of(0.12, 0.25)))],
    "mallet": lambda d: [wheel((0, 0, 0), d.of(0.18, 0.3), d.of(0.3, 0.5), sides=d.sides)],
    "pick": lambda d: [tube(bowed((-0.6, -0.1, 0), (0.6, -0.1, 0), (0, 0.25, 0)), 0.09, tip=0.03, sides=d.sides)],
    "shovel": lambda d: [cut_out([(-0.25, 0), (0.25, 0), (0.24, 0.4), (0, 0.65), (-0.24, 0.4)], d.thin(0.015, 0.05))],
    "spoon": lambda d: [ball((0, 0.2, 0), (d.of(0.15, 0.3), d.of(0.2, 0.35), d.of(0.04, 0.1)), sides=max(d.sides, 8))],
    "broom": lambda d: [
        block((0, 0, 0), (d.of(0.25, 0.5), 0.06, 0.08)),
        block((0, 0.25, 0), (d.of(0.2, 0.45), 0.22, d.of(0.05, 0.12))),
    ],
    "fork": lambda d: [
        block((0, 0, 0), (0.25, 0.04, 0.04)),
        *[bar((x, 0, 0), (x, d.of(0.5, 0.6), 0), 0.03, 0.02, sides=6) for x in np.linspace(-0.22, 0.22, d.many(2, 5))],
    ],
    "gem": lambda d: [
        ball((0, 0.1, 0), (d.of(0.12, 0.25), d.of(0.15, 0.35), d.of(0.12, 0.25)), sides=d.sides),
        ring((0, -0.08, 0), 0.12, 0.05),
    ],
    "spear": lambda d: [bar((0, 0, 0), (0, d.of(0.3, 0.6), 0), d.of(0.08, 0.14), 0.01, sides=4)],
    "flame": lambda d: [
        vessel([(0.12, -0.1), (0.22, 0.2)], 0.04, sides=max(d.sides, 8)),
        ball((0, 0.3, 0), (0.13, 0.25, 0.13), sides=d.sides),
    ],
    "mace": lambda d: [
        ball((0, 0.1, 0), 0.22, sides=8),
        *[
            bar((0, 0.1, 0), (0.36 * np.cos(a), 0.1 + 0.36 * np.sin(a), 0), 0.07, 0.01, sides=5)
            for a in np.linspace(0, 2 * np.pi, 6)[:-1]
        ],
    ],
    "net": lambda d: [
        ring((0, d.of(0.3, 0.4), 0), d.of(0.25, 0.35), d.thin(0.02, 0.05), axis="z"),
        wheel((0, 0.35, 0), 0.25, 0.012, axis="z"),
    ],
    "key": lambda d: [
        ring((0, 0.2, 0), 0.2, 0.05, axis="z"),
        *[block((0.12, -y, 0), (0.12, 0.04, 0.04)) for y in np.linspace(0.9, 1.1, d.many(1, 3))],
    ],
    "arrow": lambda d: [
        bar((0, 0, 0), (0, 0.2, 0), 0.08, 0.01, sides=4),
        *[block((0, -1.1, 0), (0.12, 0.15, 0.012)).rotate((0, 90 * i, 0)) for i in range(2)],
    ],
}


def tool(d: Draw, *, head: str, length: tuple[float, float] = (0.8, 1.8)) -> list[Manifold]:
    """A shaft with a head, and what else the hand needs."""
    long, r = d.of(*length), d.thin(0.025, 0.09)
    parts = [bar((0, -long, 0), (0, 0.05, 0), r, r * d.of(0.7, 1.1), sides=d.sides), *HEADS[head](d)]
    if d.chance(0.4):
        parts.append(bar((0, -long - 0.02, 0), (0, -long * d.of(0.6, 0.8), 0), r * d.of(1.2, 1.6), sides=d.sides))
    elif d.chance(0.3):
        parts.append(ball((0, -long, 0), r * d.of(1.3, 2.2), sides=d.sides))
    if d.chance(0.25):
        parts.append(ring((0, -long * d.of(0.2, 0.5), 0), r * 1.1, r * 0.4))
    tilt = (0.0, 0.0, 0.0) if d.chance(0.6) else ((90.0, 0.0, 0.0) if d.chance(0.5) else (0.0, 0.0, d.of(-90, 90)))
    return [part.rotate(tilt) for part in parts]


def vehicle(
    d: Draw, *, body: str, axles: tuple[int, int] = (2, 2), cabin: float = 0.8, load: float = 0.0
) -> list[Manifold]:
    """A body on wheels; the front is +z."""
    w, h, long = d.of(0.35, 0.55), d.of(0.12, 0.35), d.of(0.7, 1.3)
    r, half = d.of(0.12, 0.3), d.thin(0.04, 0.15)
    y = r + h * d.of(0.6, 1.1)
    if body == "car":
        hood, rear = d.of(0.3, 0.7), d.of(0.3, 0.8)
        side = [
            (-long, y - h),
            (long, y - h),
            (long, y + h * 0.3),
            (long * hood, y + h * 0.5),
            (long * hood * 0.6, y + h * 2),
            (-long * rear, y + h * 2),
            (-long, y + h * 0.6),
        ]
        parts = [cut_out([(-a, b) for a, b in side][::-1], w, axis="x").rotate((0, 180, 0))]
    elif body == "open":
        parts = [open_box((0, y, 0), (w, h, long), d.thin(0.02, 0.06))]
    elif body == "tub":
        parts = [
            Manifold.hull_points(
                [
                    (sx * w * (0.6 + 0.4 * (sy > 0)), y + sy * h, sz * long * (0.7 + 0.3 * (sy > 0)))
                    for sx in SIGNS
                    for sy in SIGNS
                    for sz in SIGNS
                ]
            )
        ]
    else:
        parts = [block((0, y, 0), (w, h, long))]
    if body != "car" and d.chance(cabin):
        size = d.of(0.15, 0.3) * long
        parts.append(block((0, y + h + size * 0.9, long - size * d.of(1, 1.3)), (w * d.of(0.85, 1), size, size)))
    if d.chance(load):
        back = long * d.of(0.4, 0.6)
        parts.append(
            block((0, y + h * 2, back - long), (w * 0.95, h * d.of(0.9, 2), back))
            if d.chance(0.6)
            else wheel((0, y + h + w * 0.7, back - long), w * 0.8, back, axis="z")
        )
    rows = np.linspace(-0.62, 0.62, d.many(*axles)) * long if axles[1] > 1 else np.array([0.0])
    joined, at = d.chance(0.25), w * d.of(0.85, 1.1)
    for z in rows:
        pair = [wheel((s * at, r, z), r, half, sides=max(d.sides, 8)) for s in SIGNS]
        parts += [pair[0] + pair[1]] if joined else pair
    if d.chance(0.2):
        parts.append(block((0, y, long + 0.02), (w * 0.9, h * 0.3, 0.06)))
    if axles[1] == 1:
        parts += [beam((s * w * 0.8, y, -long), (s * w * 0.8, y, -long - d.of(0.4, 0.9)), 0.07, 0.07) for s in SIGNS]
    return parts


def tower(
    d: Draw,
    *,
    storeys: tuple[int, int],
    sides: int | None = None,
    top: str = "cone",
    door: float = 0.3,
    blades: int = 0,
) -> list[Manifold]:
    """Storeys on each other: buildings, columns, monuments."""
    count, flat = d.many(*storeys), sides or d.sides
    r, y = d.of(0.3, 0.6), 0.0
    parts: list[Manifold] = []
    for _ in range(count):
        tall, next_r = d.of(0.15, 0.9), r * d.of(0.65, 1.1)
        if d.chance(0.25):
            tall, r = d.thin(0.03, 0.12), r * d.of(1.05, 1.3)
            next_r = r
        storey = (
            Manifold.cylinder(tall + 0.01, r, next_r, flat)
            .rotate((-90, 45 if flat == 4 else 0, 0))
            .translate((0, y, 0))
        )
        parts.append(storey)
        y, r = y + tall, next_r
    at = y
    match top:
        case "cone":
            parts.append(
                Manifold.cylinder(d.of(0.3, 0.8), r * d.of(1, 1.35), 0.01, flat)
                .rotate((-90, 45 if flat == 4 else 0, 0))
                .translate((0, y - 0.01, 0))
            )
        case "dome":
            parts.append(ball((0, y, 0), (r, r * d.of(0.5, 1), r), sides=max(flat, 8)))
        case "slab":
            parts.append(block((0, y + 0.04, 0), (r * d.of(1, 1.4), d.thin(0.03, 0.1), r * d.of(1, 1.4))))
        case "teeth":
            parts += [
                block((r * 0.8 * np.cos(a), y + 0.06, r * 0.8 * np.sin(a)), (0.1, 0.1, 0.1))
                for a in np.linspace(0, 2 * np.pi, d.many(4, 6) + 1)[:-1]
            ]
        case _:
            pass
    if blades:
        hub, long, z = at * d.of(0.8, 0.95), d.of(0.5, 0.9), r + 0.12
        fan = wheel((0, hub, z), 0.09, 0.06, axis="z", sides=8)
        for i in range(blades):
            a = 2 * np.pi * i / blades + 0.3
            end = (long * np.cos(a), hub + long * np.sin(a), z)
            fan += beam((0, hub, z), end, d.thin(0.03, 0.2), 0.03)
        parts += [fan, bar((0, hub, 0), (0, hub, z), 0.05, sides=6)]
    if d.chance(door):
        parts.append(block((0, 0.18, r), (d.of(0.08, 0.16), 0.18, d.of(0.06, 0.3))))
    return parts


def array(d: Draw, *, what: str, count: tuple[int, int], rails: int = 2) -> list[Manifold]:
    """Equal things in a row, held together: fences, ladders, racks, keyboards."""
    n, w, h = d.many(*count), d.of(0.7, 1.1), d.of(0.3, 0.9)
    bar_half, rail = d.thin(0.012, 0.07), d.thin(0.012, 0.06)
    xs = np.linspace(-w, w, n)
    match what:
        case "pickets":
            bars = [
                cut_out(
                    [
                        (x - bar_half * 2, -h),
                        (x + bar_half * 2, -h),
                        (x + bar_half * 2, h),
                        (x, h + bar_half * 2),
                        (x - bar_half * 2, h),
                    ],
                    bar_half,
                )
                for x in xs
            ]
        case "posts":
            bars = [bar((x, -h, 0), (x, h, 0), bar_half, sides=d.sides) for x in xs]
        case "plates":
            bars = [wheel((x, 0, 0), h * 0.8, bar_half * 0.6, axis="x", sides=max(d.sides, 8)) for x in xs]
        case "keys":
            bars = [block((x, 0, 0), (w / n * 0.8, d.of(0.04, 0.1), d.of(0.3, 0.5))) for x in xs]
        case "books":
            bars = [block((x, (t := d.of(0.3, 0.5)) - h, 0), (w / n * 0.9, t, d.of(0.2, 0.3))) for x in xs]
        case _:
            bars = [ball((x, 0, 0), d.of(0.8, 1) * w / n, sides=max(d.sides, 6)) for x in xs]
    rest: list[Manifold] = []
    if what in {"pickets", "posts", "plates"}:
        rest = [
            block((0, y, -rail if what == "pickets" else 0), (w * 1.08, rail * d.of(0.6, 1.5), rail))
            for y in np.linspace(-0.6, 0.6, rails) * h
        ]
    elif what in {"keys", "books"}:
        rest = [
            block((0, -0.08 if what == "keys" else -h, 0), (w * 1.1, 0.05, 0.45)),
            *([block((s * w * 1.12, 0, 0), (0.03, h, 0.3)) for s in SIGNS] if what == "books" else []),
        ]
    else:
        rest = [bar((-w * d.of(1.1, 1.5), 0, 0), (w * d.of(1.1, 1.6), 0, 0), d.thin(0.02, 0.05), sides=6)]
    bars, rest = bars[: MOST_PARTS - min(len(rest), 3)], rest[:3]
    if d.chance(0.15):
        bars = [Manifold.batch_boolean(bars, OpType.Add)]
    turn = 90.0 if d.chance(0.2) else 0.0
    return [part.rotate((0, 0, turn)) for part in [*bars, *rest]]


def stack(d: Draw, *, shape: str, count: tuple[int, int], on: str = "none") -> list[Manifold]:
    """Things on each other: burgers, cakes, books, tyres, crates."""
    parts: list[Manifold] = []
    y, base, slim = 0.0, d.of(0.4, 0.7), d.of(0.75, 1.05)
    for i in range(d.many(*count)):
        tall, r = d.thin(0.05, 0.3), base * d.of(0.85, 1.1) * slim**i
        match shape:
            case "discs":
                parts.append(
                    turned(
                        [(r * 0.93, y), (r, y + tall / 3), (r, y + 2 * tall / 3), (r * 0.93, y + tall)],
                        sides=max(d.sides, 8),
                    )
                )
            case "blocks":
                parts.append(block((0, y + tall / 2, 0), (r, tall / 2, r * d.of(0.6, 1))).rotate((0, d.of(-20, 20), 0)))
            case "rings":
                tall = 2 * d.of(0.08, 0.15)
                parts.append(ring((0, y + tall / 2, 0), r, tall / 2))
            case _:
                tall = r * 1.5
                parts.append(ball((0, y + tall / 2, 0), (r, tall / 2 * 1.15, r), sides=max(d.sides, 8)))
        y += tall * 0.98
    top = base * slim ** len(parts)
    match on:
        case "bun":
            parts.append(
                ball((0, y, 0), (top * 1.1, top * d.of(0.4, 0.7), top * 1.1), sides=max(d.sides, 8)).trim_by_plane(
                    (0, 1, 0), y - 0.02
                )
            )
        case "candles":
            parts += [
                bar(
                    (top * 0.6 * np.cos(a), y - 0.02, top * 0.6 * np.sin(a)),
                    (top * 0.6 * np.cos(a), y + 0.3, top * 0.6 * np.sin(a)),
                    d.thin(0.02, 0.06),
                    sides=6,
                )
                for a in np.linspace(0, 2 * np.pi, d.many(1, 5) + 1)[:-1]
            ]
        case "plate":
            parts.append(wheel((0, -0.03, 0), base * d.of(1.2, 1.6), 0.04, axis="y", sides=max(d.sides, 8)))
        case "pole":
            parts.append(bar((0, -0.2, 0), (0, y + d.of(0.1, 0.5), 0), d.thin(0.02, 0.06), sides=6))
        case _:
            pass
    return parts


def post(d: Draw, *, head: str, base: float = 0.6, arms: tuple[int, int] = (1, 1)) -> list[Manifold]:
    """A pole that carries something: signs, street lamps, traffic lights, taps, satellite dishes."""
    h, r = d.of(1.0, 1.8), d.thin(0.02, 0.07)
    parts: list[Manifold] = [
        bar((0, 0, 0), (0, h, 0), r, r * d.of(0.7, 1), sides=d.sides)
        if d.chance(0.7)
        else block((0, h / 2, 0), (r, h / 2, r))
    ]
    for i in range(d.many(*arms)):
        s = 1 if i % 2 == 0 else -1
        y, out = h * d.of(0.75, 1), d.of(0.3, 0.7)
        match head:
            case "board":
                parts.append(
                    block((d.of(-0.1, 0.3) * s, y, r), (d.of(0.25, 0.5), d.of(0.1, 0.25), d.thin(0.012, 0.05)))
                )
            case "plate":
                parts.append(wheel((0, h, r), d.of(0.25, 0.4), d.thin(0.012, 0.05), axis="z", sides=d.many(3, 10)))
            case "pointer":
                parts.append(
                    cut_out(
                        [(s * x, y + v) for x, v in [(-0.3, -0.1), (0.35, -0.1), (0.5, 0), (0.35, 0.1), (-0.3, 0.1)]][
                            ::s
                        ],
                        d.thin(0.02, 0.06),
                    ).translate((0, 0, r))
                )
            case "lamp":
                parts.append(tube(bowed((0, y, 0), (s * out, y + 0.05, 0), (0, 0.15, 0)), r * 0.8, sides=d.sides))
                parts.append(block((s * (out + 0.1), y + 0.02, 0), (0.15, 0.05, 0.09)))
            case "signal":
                parts.append(block((0, y, r + 0.1), (0.14, 0.36, 0.1)))
                parts += [wheel((0, y + v, r + 0.22), 0.09, 0.05, axis="z", sides=8) for v in (-0.24, 0, 0.24)]
            case "shade":
                low, high = d.of(0.25, 0.5), d.of(0.1, 0.3)
                shade = (
                    vessel([(high, 0), (low, 0.45)], d.thin(0.015, 0.05), sides=max(d.sides, 8))
                    .rotate((180, 0, 0))
                    .translate((0, h + 0.25, 0))
                )
                parts.append(shade)
            case "dish":
                bowl = (
                    vessel([(0.1, 0), (0.35, 0.08), (0.55, 0.25)], 0.03, sides=max(d.sides, 8))
                    .rotate((d.of(30, 90), 0, 0))
                    .translate((0, h, 0.05))
                )
                parts += [bowl, bar((0, h, 0.05), (0, h + 0.25, 0.45), 0.03, sides=6)]
            case "flag":
                parts.append(block((0.4 * s, h - 0.3, 0), (0.4, d.of(0.15, 0.28), d.thin(0.01, 0.03))))
            case _:
                parts += [ring((s * 0.3, y, 0), 0.2, 0.03, axis="z"), bar((0, y, 0), (s * 0.15, y, 0), 0.03, sides=6)]
    if d.chance(base):
        size = d.of(0.15, 0.45)
        parts.append(
            wheel((0, 0, 0), size, d.thin(0.02, 0.15), axis="y", sides=max(d.sides, 6))
            if d.chance(0.6)
            else block((0, 0.03, 0), (size, 0.06, size))
        )
    return parts


def figure(d: Draw, *, boxy: float, seat: float = 0.0) -> list[Manifold]:
    """A body with a head and limbs, on two legs or four."""
    w, h, z = d.of(0.22, 0.45), d.of(0.3, 0.6), d.of(0.15, 0.35)
    square = d.chance(boxy)

    def lump(center: Point, half: Point) -> Manifold:
        return block(center, half) if square else ball(center, half, sides=max(d.sides, 8))

    def limb(start: Point, end: Point, r: float) -> Manifold:
        return beam(start, end, 2 * r, 2 * r) if square else bar(start, end, r, r * d.of(0.6, 1), sides=max(d.sides, 6))

    r = d.of(0.06, 0.13)
    if seat and d.chance(seat):  # four legs, head forward
        y = d.of(0.4, 0.9)
        parts = [lump((0, y, 0), (w * 0.8, z, h)), lump((0, y + z + d.of(0.05, 0.3), h + 0.15), (z * 0.8, z * 0.8, z))]
        parts += [
            limb((sx * w * 0.6, 0, sz * h * 0.75), (sx * w * 0.6, y, sz * h * 0.75), r) for sx in SIGNS for sz in SIGNS
        ]
        if d.chance(0.6):
            parts.append(
                tube(
                    bowed((0, y + z * 0.5, -h * 0.9), (0, y + d.of(0.2, 0.7), -h - 0.4), (0, -0.1, -0.1)), 0.05, sides=6
                )
            )
        return parts
    head = d.of(0.16, 0.32)
    parts = [lump((0, 0, 0), (w, h, z)), lump((0, h + head * 0.9, 0), (head, head, head))]
    spread = d.of(0.05, 0.6)
    parts += [
        limb((s * w * 0.9, h * 0.6, 0), (s * (w + d.of(0.2, 0.5)), h * 0.6 - d.of(-0.4, 0.6), d.of(0, 0.3)), r)
        for s in SIGNS
    ]
    parts += [
        limb((s * w * 0.5, -h * 0.85, 0), (s * w * (0.5 + spread), -h - d.of(0.3, 0.7), 0), r * 1.1) for s in SIGNS
    ]
    if d.chance(0.4):
        parts.append(
            turned(
                [
                    (head * 1.3, h + head * 1.5),
                    (head * 1.25, h + head * 1.6),
                    (head * 0.7, h + head * 1.6),
                    (head * 0.6, h + head * 2.1),
                ],
                sides=max(d.sides, 8),
            )
        )
    return parts


def opening(d: Draw, *, leaves: tuple[int, int], arch: float = 0.0) -> list[Manifold]:
    """A frame with what closes it: doors, windows, gates, pictures, screens."""
    w, h, z, wall = d.of(0.4, 0.9), d.of(0.6, 1.1), d.thin(0.03, 0.15), d.thin(0.03, 0.12)
    parts: list[Manifold] = [frame((0, 0, 0), (w, h, z), wall)]
    if d.chance(arch):
        parts[0] += cut_out([(w * np.cos(a), h - wall / 2 + w * 0.5 * np.sin(a)) for a in np.linspace(0, np.pi, 9)], z)
    count, inner = d.many(*leaves), w - wall
    for i in range(count):
        half = inner / max(count, 1)
        x, turn = -inner + half * (2 * i + 1), d.of(0, 80) if d.chance(0.3) else 0.0
        s = -1 if i == 0 else 1
        leaf = block((-s * half, 0, 0), (half * 0.99, h - wall * 0.98, z * d.of(0.3, 0.8)))
        knob = ball((-s * half * 1.8, 0, z), d.thin(0.03, 0.07), sides=8)
        place = (x + s * half, 0.0, 0.0)
        parts.append(leaf.rotate((0, -s * turn, 0)).translate(place))
        if d.chance(0.5):
            parts.append(knob.rotate((0, -s * turn, 0)).translate(place))
    if d.chance(0.4):
        parts.append(block((0, -h - 0.04, 0), (w * d.of(1, 1.3), 0.05, z * d.of(1, 3))))
    return parts


def slab_with(d: Draw, *, kind: str) -> list[Manifold]:
    """Flat devices and boxes with something on their front: clocks, phones, cameras, ovens, radios."""
    w, h, z = d.of(0.4, 0.8), d.of(0.4, 0.8), d.of(0.05, 0.3)
    parts: list[Manifold] = [block((0, 0, 0), (w, h, z))]
    match kind:
        case "clock":
            parts = [
                wheel((0, 0, 0), w, z * 0.5, axis="z", sides=max(d.sides, 8)),
                ring((0, 0, z * 0.5), w * 0.93, 0.06, axis="z"),
            ]
            parts += [
                beam((0, 0, z * 0.55), (w * k * np.cos(a), w * k * np.sin(a), z * 0.55), 0.06, 0.05)
                for k, a in ((0.5, d.of(0, 6)), (0.75, d.of(0, 6)))
            ]
        case "camera":
            parts.append(
                wheel((d.of(-0.2, 0.2), 0, z + 0.1), d.of(0.2, 0.35), d.of(0.1, 0.3), axis="z", sides=max(d.sides, 8))
            )
            parts.append(block((d.of(-0.3, 0.3) * w, h + 0.04, 0), (0.13, 0.07, z * 0.7)))
        case "speaker":
            parts += [
                wheel((0, y * h, z), h * r, 0.05, axis="z", sides=max(d.sides, 8))
                for y, r in ((-0.4, 0.4), (0.45, 0.25))
            ]
        case "screen":
            parts = [
                block((0, 0.3, 0), (w * 1.3, h * 0.7, d.thin(0.02, 0.08))),
                bar((0, -h * 0.9, -0.03), (0, 0, -0.03), 0.05, sides=6),
                block((0, -h * 0.9, 0), (w * 0.5, 0.03, 0.25)),
            ]
        case "laptop":
            t = d.thin(0.015, 0.05)
            parts = [
                block((0, 0, 0.45), (w, t, 0.45)),
                block((0, 0.45, 0), (w, 0.45, t)).rotate((-d.of(0, 40), 0, 0)),
                block((0, t, 0.5), (w * 0.85, t * 0.5, 0.2)),
            ]
        case "oven":
            parts = [
                open_box((0, 0, 0), (w, h, w), 0.06, toward="+z"),
                block((0, -0.1 * h, w), (w * 0.9, h * 0.75, 0.04)),
                bar((-w * 0.7, h * 0.55, w + 0.06), (w * 0.7, h * 0.55, w + 0.06), 0.03, sides=6),
            ]
            parts += [
                wheel((x * w, h * 0.85, w + 0.02), 0.05, 0.04, axis="z", sides=8)
                for x in np.linspace(-0.6, 0.6, d.many(2, 4))
            ]
        case "suitcase":
            parts.append(tube([(-0.2, h, 0), (-0.2, h + 0.2, 0), (0.2, h + 0.2, 0), (0.2, h, 0)], 0.04, sides=6))
            parts += [block((s * w * 0.6, 0, 0), (0.05, h * 1.02, z * 1.05)) for s in SIGNS]
        case _:  # shield
            parts = [
                wheel((0, 0, 0), w, z * 0.4, axis="z", sides=d.many(6, 20)),
                ring((0, 0, 0), w, d.of(0.04, 0.08), axis="z"),
                ball((0, 0, z * 0.4), (w * 0.3, w * 0.3, 0.12), sides=8),
            ]
            parts += [
                block((0, 0, z * 0.45), half) for half in ((w * 0.9, 0.05, 0.04), (0.05, w * 0.9, 0.04))[: d.many(0, 2)]
            ]
    return parts


def boat(d: Draw, *, mast: float) -> list[Manifold]:
    """A hull, open or decked, with a mast, sails or oars."""
    w, h, long = d.of(0.2, 0.4), d.of(0.15, 0.3), d.of(0.8, 1.1)
    plan = [(0.45, -1), (0.85, -0.6), (1, 0), (0.8, 0.6), (0, 1.05)]

    def level(scale: float, y: float) -> list[tuple[float, float, float]]:
        return [(s * x * w * scale, y, z * long * scale) for x, z in plan for s in SIGNS]

    hull = Manifold.hull_points([*level(0.7, -h), *level(1, h)])
    if d.chance(0.6):
        hull -= Manifold.hull_points([*level(0.58, -h + 0.08), *level(0.88, h + 0.01)])
    parts = [hull]
    if d.chance(mast):
        tall = d.of(0.9, 1.5)
        parts.append(bar((0, -h, 0.1), (0, tall, 0.1), d.thin(0.02, 0.05), sides=6))
        parts.append(
            block((0, tall * 0.6, 0.12), (d.of(0.3, 0.6), tall * 0.3, d.thin(0.012, 0.04)))
            if d.chance(0.5)
            else cut_out([(0, h), (0.7, h), (0, tall)], 0.015, axis="x").translate((0, 0, 0.1))
        )
    else:
        parts += [block((0, h * 0.6, z * long), (w * 0.9, 0.03, 0.1)) for z in np.linspace(-0.4, 0.3, d.many(1, 3))]
    if d.chance(0.4):
        parts += [
            bar((s * w * 0.6, h, 0), (s * (w + d.of(0.4, 0.8)), -h * 0.5, d.of(-0.2, 0.2)), 0.025, sides=6)
            for s in SIGNS
        ]
    return parts


def plant(d: Draw, *, leaves: str) -> list[Manifold]:
    """Something that grows, in a pot or from the ground."""
    parts: list[Manifold] = []
    if d.chance(0.6):
        r = d.of(0.25, 0.45)
        parts.append(vessel([(r * 0.7, -0.5), (r, 0)], 0.05, sides=max(d.sides, 6)))
        parts.append(wheel((0, -0.08, 0), r * 0.93, 0.05, axis="y", sides=max(d.sides, 6)))
    tall, count = d.of(0.3, 1.0), d.many(3, 6)
    parts.append(bar((0, -0.1, 0), (0, tall, 0), d.thin(0.03, 0.1), d.thin(0.02, 0.05), sides=6))
    around = np.linspace(0, 2 * np.pi, count + 1)[:-1]
    match leaves:
        case "fronds":
            parts += [
                tube(
                    bowed((0, tall * 0.9, 0), (0.6 * np.cos(a), tall + d.of(-0.1, 0.3), 0.6 * np.sin(a)), (0, 0.25, 0)),
                    0.07,
                    tip=0.02,
                    sides=4,
                )
                for a in around
            ]
        case "tiers":
            parts += [
                Manifold.cylinder(d.of(0.3, 0.6), 0.6 * 0.8**i, 0.02, max(d.sides, 5))
                .rotate((-90, 0, 0))
                .translate((0, tall * 0.5 + i * 0.3, 0))
                for i in range(d.many(2, 4))
            ]
        case "lumps":
            parts += [
                ball(
                    (0.25 * np.cos(a), tall + d.of(-0.1, 0.3), 0.25 * np.sin(a)), d.of(0.2, 0.4), sides=max(d.sides, 5)
                )
                for a in around[:4]
            ]
        case _:  # flower
            parts += [ball((0.22 * np.cos(a), tall + 0.22 * np.sin(a), 0), (0.16, 0.16, 0.04), sides=8) for a in around]
            parts.append(ball((0, tall, 0), (0.12, 0.12, 0.09), sides=8))
    return parts[:MOST_PARTS]


def composed(d: Draw) -> list[Manifold]:
    """A grammar of attachments: a body, and things that stand under it, lie on it, stick out of it or hold it."""
    w, h, z = d.thin(0.15, 0.8), d.thin(0.1, 0.8), d.thin(0.15, 0.8)
    match d.pick("block", "turned", "hollow", "ball", "outline"):
        case "block":
            body = block((0, 0, 0), (w, h, z))
        case "turned":
            z = w
            body = turned([(w * d.of(0.5, 1), -h), (w, d.of(-0.5, 0.5) * h), (w * d.of(0.5, 1), h)], sides=d.sides)
        case "hollow":
            body = open_box((0, 0, 0), (w, h, z), d.thin(0.02, 0.08), toward=d.pick("+y", "+z", "-x"))
        case "ball":
            body = ball((0, 0, 0), (w, h, z), sides=max(d.sides, 8))
        case _:
            outline = [
                (w * np.cos(a) * (k := d.of(0.6, 1)), h * np.sin(a) * k)
                for a in np.linspace(0, 2 * np.pi, d.many(4, 8) + 1)[:-1]
            ]
            body = cut_out(outline, z)
    parts = [body]
    for kind in d.rng.choice(
        ["supports", "cap", "handle", "frame", "knobs", "side", "spike", "row"], d.many(1, 4), replace=False
    ):
        r = d.thin(0.02, 0.1)
        match str(kind):
            case "supports":
                drop = d.of(0.2, 0.8)
                spots = [(sx, sz) for sx in SIGNS for sz in SIGNS] if d.chance(0.6) else [(s, 0) for s in SIGNS]
                parts += [
                    bar(
                        (sx * w * 0.7, -h - drop, sz * z * 0.7),
                        (sx * w * 0.6, -h * 0.4, sz * z * 0.6),
                        r,
                        sides=d.sides,
                    )
                    for sx, sz in spots
                ]
            case "cap":
                parts.append(
                    block((0, h + r, 0), (w * d.of(0.6, 1.2), r * 1.3, z * d.of(0.6, 1.2)))
                    if d.chance(0.5)
                    else Manifold.cylinder(d.of(0.15, 0.5), min(w, z), min(w, z) * d.of(0, 0.8), d.sides)
                    .rotate((-90, 0, 0))
                    .translate((0, h * 0.95, 0))
                )
            case "handle":
                s = d.rng.choice(SIGNS)
                parts.append(
                    tube(
                        bowed((s * w * 0.9, -h * 0.6, 0), (s * w * 0.9, h * 0.6, 0), (s * d.of(0.2, 0.5), 0, 0)),
                        r,
                        sides=6,
                    )
                    if d.chance(0.5)
                    else tube(bowed((-w * 0.8, h * 0.8, 0), (w * 0.8, h * 0.8, 0), (0, d.of(0.3, 0.7), 0)), r, sides=6)
                )
            case "frame":
                parts.append(frame((0, 0, d.of(0, 1) * z), (w * 1.15, h * 1.15, r), max(0.15 * w, 0.2 * h, 0.05)))
            case "knobs":
                parts += [
                    ball((x * w, d.of(-0.5, 0.5) * h, z), d.of(0.04, 0.12), sides=8)
                    for x in np.linspace(-0.6, 0.6, d.many(1, 3))
                ]
            case "side":
                parts += [
                    block((s * (w + 0.1), d.of(-0.5, 0.5) * h, 0), (0.13, h * d.of(0.2, 0.7), z * d.of(0.2, 0.7)))
                    for s in SIGNS
                ]
            case "spike":
                parts.append(
                    bar(
                        (0, h * 0.8, 0),
                        (d.of(-0.3, 0.3), h + d.of(0.3, 0.9), d.of(-0.3, 0.3)),
                        r,
                        r * d.of(0.2, 1),
                        sides=d.sides,
                    )
                )
            case _:
                parts += [block((x * w, 0, z), (0.3 * w / 3, h * 0.8, r)) for x in np.linspace(-0.7, 0.7, 3)]
    return parts[:MOST_PARTS]


POT: dict[str, list[tuple[float, float]]] = {
    "straight": [(0.5, 0), (0.5, 1)],
    "bowl": [(0.25, 0), (0.55, 0.3), (0.7, 0.6)],
    "vase": [(0.3, 0), (0.5, 0.4), (0.22, 0.85), (0.32, 1.1)],
    "bottle": [(0.32, 0), (0.34, 0.8), (0.12, 1.05), (0.12, 1.35)],
    "cone": [(0.35, 0), (0.55, 1)],
    "belly": [(0.35, 0), (0.6, 0.35), (0.55, 0.7), (0.4, 0.9)],
    "barrel": [(0.4, 0), (0.52, 0.5), (0.4, 1)],
    "flat": [(0.55, 0), (0.62, 0.22)],
    "glass": [(0.1, 0), (0.4, 0.35), (0.36, 0.8)],
}

DESIGNS: dict[str, Design] = {
    "dining_table": partial(legged, height=(0.6, 1.1), top="slab"),
    "round_table": partial(legged, height=(0.5, 1.1), top="disc"),
    "low_table": partial(legged, height=(0.2, 0.4), top="slab", extras=0.6),
    "desk_drawers": partial(legged, height=(0.6, 0.9), top="slab", extras=0.9),
    "seat": partial(legged, height=(0.5, 0.8), top="slab", back=1.0, arms=0.3),
    "armchair": partial(legged, height=(0.2, 0.5), top="soft", back=1.0, arms=0.9),
    "bar_stool": partial(legged, height=(1.0, 1.6), top="disc"),
    "bed_frame": partial(legged, height=(0.15, 0.35), top="soft", back=0.9, extras=0.7),
    "wardrobe": partial(cabinet, shape=(0.6, 1.0, 0.35), front=("doors",)),
    "chest_of_drawers": partial(cabinet, shape=(0.6, 0.7, 0.4), front=("drawers",)),
    "bookcase": partial(cabinet, shape=(0.6, 1.0, 0.25), front=("shelves",), feet=0.2),
    "night_table": partial(cabinet, shape=(0.5, 0.5, 0.45), front=("drawers", "doors"), feet=0.7),
    "chest": partial(cabinet, shape=(0.7, 0.35, 0.4), front=("doors", "drawers"), lid=1.0),
    "sideboard": partial(cabinet, shape=(1.0, 0.4, 0.35), front=("doors", "drawers", "shelves"), feet=0.7),
    "cooking_pot": partial(pot, outline=POT["straight"], handles=2, lid=0.7, filled=0.6),
    "frying_pan": partial(pot, outline=POT["flat"], handles=1, filled=0.3),
    "tea_pot": partial(pot, outline=POT["belly"], handles=1, spout=1.0, lid=0.8),
    "beaker": partial(pot, outline=POT["cone"], handles=1, filled=0.6, base=0.4),
    "jug": partial(pot, outline=POT["vase"], handles=1, spout=0.3),
    "amphora": partial(pot, outline=POT["vase"], handles=2, base=0.4),
    "dish": partial(pot, outline=POT["bowl"], filled=0.9, base=0.4),
    "flask": partial(pot, outline=POT["bottle"], lid=0.9),
    "barrel": partial(pot, outline=POT["barrel"], lid=0.6),
    "bucket": partial(pot, outline=POT["cone"], filled=0.5, handles=2),
    "goblet": partial(pot, outline=POT["glass"], stem=1.0, filled=0.4),
    **{f"tool_{head}": partial(tool, head=head) for head in HEADS},
    "car_sedan": partial(vehicle, body="car"),
    "truck": partial(vehicle, body="box", axles=(2, 4), load=0.9),
    "wagon": partial(vehicle, body="open", cabin=0.2, load=0.3),
    "cart": partial(vehicle, body="tub", axles=(1, 1), cabin=0.0),
    "coach": partial(vehicle, body="box", axles=(2, 3), cabin=0.3),
    "column": partial(tower, storeys=(3, 5), top="slab", door=0.0),
    "castle": partial(tower, storeys=(1, 3), top="teeth", door=0.5),
    "chapel": partial(tower, storeys=(1, 3), sides=4, top="cone", door=0.7),
    "silo_dome": partial(tower, storeys=(1, 3), top="dome"),
    "turbine": partial(tower, storeys=(1, 2), top="dome", blades=3),
    "mill": partial(tower, storeys=(2, 3), top="cone", blades=4),
    "memorial": partial(tower, storeys=(2, 4), sides=4, top="none", door=0.1),
    "picket_fence": partial(array, what="pickets", count=(3, 7)),
    "railing": partial(array, what="posts", count=(3, 8)),
    "plate_rack": partial(array, what="plates", count=(3, 6), rails=1),
    "keyboard": partial(array, what="keys", count=(3, 8)),
    "book_row": partial(array, what="books", count=(3, 7)),
    "kebab": partial(array, what="lumps", count=(3, 6)),
    "burger": partial(stack, shape="discs", count=(3, 6), on="bun"),
    "cake": partial(stack, shape="discs", count=(1, 4), on="candles"),
    "book_pile": partial(stack, shape="blocks", count=(2, 6)),
    "tyre_pile": partial(stack, shape="rings", count=(2, 5), on="pole"),
    "dumplings": partial(stack, shape="lumps", count=(2, 4), on="plate"),
    "sign_board": partial(post, head="board", arms=(1, 2)),
    "sign_plate": partial(post, head="plate"),
    "sign_pointer": partial(post, head="pointer", arms=(1, 3)),
    "street_lamp": partial(post, head="lamp", arms=(1, 2)),
    "traffic_signal": partial(post, head="signal"),
    "floor_lamp": partial(post, head="shade", base=1.0),
    "dish_aerial": partial(post, head="dish"),
    "flag_pole": partial(post, head="flag"),
    "hoops": partial(post, head="hoop", arms=(1, 3)),
    "dummy": partial(figure, boxy=0.4),
    "animal": partial(figure, boxy=0.4, seat=1.0),
    "door_frame": partial(opening, leaves=(1, 2), arch=0.3),
    "window_frame": partial(opening, leaves=(0, 2)),
    **{
        kind: partial(slab_with, kind=kind)
        for kind in ("clock", "camera", "speaker", "screen", "laptop", "oven", "suitcase", "shield")
    },
    "rowing_boat": partial(boat, mast=0.1),
    "sailing_boat": partial(boat, mast=1.0),
    **{f"plant_{leaves}": partial(plant, leaves=leaves) for leaves in ("fronds", "tiers", "lumps", "flower")},
    **{f"composed_{i}": composed for i in range(8)},
}


def _family(design: Design, rng: np.random.Generator) -> list[TriangleMesh]:
    while True:
        solids = [solid for solid in design(Draw(rng)) if not solid.is_empty() and solid.volume() > 1e-6]
        if 2 <= len(solids) <= MOST_PARTS:
            return [mesh_of(solid) for solid in solids]


CATALOGUE = {name: partial(_family, design) for name, design in DESIGNS.items()}
