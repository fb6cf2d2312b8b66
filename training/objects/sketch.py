"""How a family writes an object down: parts are lists of posed primitives, in any unit and order."""

import math
from dataclasses import dataclass

import numpy as np

from training.objects.primitives import Kind

Vector = tuple[float, float, float]
UPRIGHT = np.eye(3)
QUARTER = math.pi / 2


@dataclass(frozen=True)
class Primitive:
    """One closed solid: its kind, centre, rotation (local to object, columns are axes) and sizes."""

    kind: Kind
    center: np.ndarray
    rotation: np.ndarray
    sizes: tuple[float, float, float, float, float]


Part = list[Primitive]
Parts = list[Part]


def turn(*, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Rotation about x, then y, then z; radians."""
    cx, sx, cy, sy, cz, sz = math.cos(x), math.sin(x), math.cos(y), math.sin(y), math.cos(z), math.sin(z)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _along(direction: np.ndarray) -> np.ndarray:
    """A rotation that takes +y to the direction."""
    axis = direction / np.linalg.norm(direction)
    helper = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.array([0, 0, 1.0])
    side = np.cross(helper, axis)
    side /= np.linalg.norm(side)
    return np.stack([np.cross(axis, side), axis, side], axis=1)


def box(center: Vector, half: Vector, *, rounding: float = 0.02, rotation: np.ndarray = UPRIGHT) -> Primitive:
    """A box with rounded edges; the rounding never exceeds what the box can hold."""
    return Primitive(Kind.BOX, np.array(center), rotation, (*half, min(rounding, 0.9 * min(half)), 0.0))


def rod(start: Vector, end: Vector, radius: float, *, tip: float | None = None, rounding: float = 0.01) -> Primitive:
    """A round bar between the centres of its two ends, which may differ in radius."""
    a, b = np.array(start), np.array(end)
    half = float(np.linalg.norm(b - a)) / 2
    top = radius if tip is None else tip
    rounding = min(rounding, 0.9 * min(radius, top, half))
    return Primitive(Kind.FRUSTUM, (a + b) / 2, _along(b - a), (radius, top, half, rounding, 0.0))


def ball(center: Vector, half: Vector | float, *, rotation: np.ndarray = UPRIGHT) -> Primitive:
    """An ellipsoid, or a sphere when given one radius."""
    axes = (half, half, half) if isinstance(half, float) else half
    return Primitive(Kind.ELLIPSOID, np.array(center), rotation, (*axes, 0.0, 0.0))


def arc(
    center: Vector, ring: float, tube: float, *, aperture: float = math.pi, rotation: np.ndarray = UPRIGHT
) -> Primitive:
    """A bent round bar in the xy plane, `aperture` radians to each side of +y; a torus at pi."""
    return Primitive(Kind.ARC, np.array(center), rotation, (ring, tube, aperture, 0.0, 0.0))


def taper(
    center: Vector,
    bottom: tuple[float, float],
    top: tuple[float, float],
    half_height: float,
    *,
    rotation: np.ndarray = UPRIGHT,
) -> Primitive:
    """A block whose rectangular section changes from bottom to top; half sizes in x and z."""
    sharp = 0.004  # a ridge keeps a hair of width, so that areas and normals stay defined
    top = (max(top[0], sharp), max(top[1], sharp))
    return Primitive(Kind.TAPER, np.array(center), rotation, (*bottom, *top, half_height))
