"""Closed solids for the catalogue, over manifold3d: boards, bars, bent tubes, turned outlines, hollow things.

Units are free, front is +z, up is +y. `sides` is how many flat sides a round thing has: few make it faceted.
"""

from collections.abc import Sequence

import numpy as np
from manifold3d import CrossSection, Manifold, Mesh64

Point = Sequence[float] | np.ndarray


def block(center: Point, half: Point) -> Manifold:
    """An upright box."""
    return Manifold.cube(tuple(2 * h for h in half), True).translate(tuple(center))


def ball(center: Point, radii: Point | float, *, sides: int = 16) -> Manifold:
    """An ellipsoid."""
    axes = (radii,) * 3 if isinstance(radii, int | float) else tuple(radii)
    return Manifold.sphere(1.0, sides).scale(axes).translate(tuple(center))


def bar(start: Point, end: Point, radius: float, tip: float | None = None, *, sides: int = 16) -> Manifold:
    """A round, or with few sides an edged, bar between two points."""
    return tube([start, end], radius, tip=tip, sides=sides)


def beam(start: Point, end: Point, width: float, depth: float) -> Manifold:
    """A straight bar with a rectangular section (full width and depth)."""
    return _sweep(
        np.array([start, end], float), np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [width / 2, depth / 2]
    )


def tube(path: Sequence[Point], radius: float, *, tip: float | None = None, sides: int = 12) -> Manifold:
    """A bent bar along a path."""
    angle = np.arange(sides) * 2 * np.pi / sides + np.pi / sides
    ends = np.linspace(1.0, 1.0 if tip is None else max(tip, 1e-3) / radius, len(path))
    return _sweep(np.array(path, float), radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), ends)


def _sweep(path: np.ndarray, outline: np.ndarray, sizes: np.ndarray | None = None) -> Manifold:
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross([0.0, 1.0, 0.0] if abs(along[0, 1]) < 0.9 else [0.0, 0.0, 1.0], along[0])
    rings = []
    for i, (place, toward) in enumerate(zip(path, along, strict=True)):
        side = side - (side @ toward) * toward  # carried along without twist
        side /= np.linalg.norm(side)
        flat = outline * (1.0 if sizes is None else sizes[i])
        rings.append(place + flat[:, :1] * side + flat[:, 1:] * np.cross(toward, side))
    count, sides = len(path), len(outline)
    j = np.arange(sides)
    k = (j + 1) % sides
    faces = []
    for i in range(count - 1):
        low, high = i * sides, (i + 1) * sides
        faces += [np.stack([low + j, low + k, high + k], 1), np.stack([low + j, high + k, high + j], 1)]
    fan = np.arange(1, sides - 1)
    last = (count - 1) * sides
    faces += [np.stack([0 * fan, fan + 1, fan], 1), np.stack([last + 0 * fan, last + fan, last + fan + 1], 1)]
    return Manifold(Mesh64(np.concatenate(rings), np.concatenate(faces).astype(np.uint64)))


def turned(outline: Sequence[tuple[float, float]], *, sides: int = 24) -> Manifold:
    """A solid of revolution about y; the outline is (radius, height) from the bottom up."""
    points = [(0.0, outline[0][1]), *outline, (0.0, outline[-1][1])]
    return CrossSection([points]).revolve(sides).rotate((-90, 0, 0))


def vessel(outline: Sequence[tuple[float, float]], wall: float, *, sides: int = 24) -> Manifold:
    """A hollow solid of revolution, open at the top, its floor as thick as its wall."""
    bottom = outline[0][1]
    inner = [(max(r - wall, wall / 4), max(y, bottom + wall)) for r, y in outline]
    inner[-1] = (inner[-1][0], outline[-1][1] + wall)
    return turned(outline, sides=sides) - turned(inner, sides=sides)


def ring(center: Point, radius: float, thick: float, *, axis: str = "y", sides: int = 20) -> Manifold:
    """A torus about an axis."""
    angle = np.arange(8) * np.pi / 4
    section = [(radius + thick * np.cos(a), thick * np.sin(a)) for a in angle]
    solid = CrossSection([section]).revolve(sides)
    turns = {"z": (0, 0, 0), "y": (-90, 0, 0), "x": (0, 90, 0)}
    return solid.rotate(turns[axis]).translate(tuple(center))


def wheel(
    center: Point, radius: float, half: float, *, hole: float = 0.0, axis: str = "x", sides: int = 16
) -> Manifold:
    """A disc about an axis, with a hole of that share of its radius."""
    disc = Manifold.cylinder(2 * half, radius, radius, sides, True)
    if hole > 0:
        disc -= Manifold.cylinder(3 * half, radius * hole, radius * hole, sides, True)
    turns = {"z": (0, 0, 0), "y": (90, 0, 0), "x": (0, 90, 0)}
    return disc.rotate(turns[axis]).translate(tuple(center))


def cut_out(outline: Sequence[tuple[float, float]], half: float, *, axis: str = "z") -> Manifold:
    """A flat outline (x, y), anticlockwise, made 2 * half thick along an axis (for x: (z, y); for y: (x, -z))."""
    solid = CrossSection([list(outline)]).extrude(2 * half).translate((0, 0, -half))
    turns = {"z": (0, 0, 0), "x": (0, -90, 0), "y": (-90, 0, 0)}
    return solid.rotate(turns[axis])


def open_box(center: Point, half: Point, wall: float, *, toward: str = "+y") -> Manifold:
    """A box of thin walls that is open on one side."""
    axis, sign = "xyz".index(toward[1]), 1 if toward[0] == "+" else -1
    shift = np.zeros(3)
    shift[axis] = sign * wall
    inner = np.array(half, float) - wall
    inner[axis] += wall / 2
    shift[axis] = sign * wall
    return block(center, half) - block(np.array(center) + shift, np.maximum(inner, 1e-3))


def frame(center: Point, half: Point, wall: float) -> Manifold:
    """A rectangular frame in the xy plane."""
    x, y, z = half
    return block(center, half) - block(center, (x - wall, y - wall, 2 * z))


def bowed(start: Point, end: Point, out: Point, *, points: int = 9) -> list[np.ndarray]:
    """A path from start to end that bulges by `out` in its middle."""
    t = np.linspace(0, 1, points)[:, None]
    return list((1 - t) * np.array(start) + t * np.array(end) + np.sin(np.pi * t) * np.array(out))
