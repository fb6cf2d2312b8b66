"""Analytic fields, positive inside, and the ways in which a network's field differs from a distance."""

import numpy as np

from apg_core.geometry.band.samples import Field

VOXEL_256 = 2.02 / 255


def sphere(radius: float, centre: tuple[float, float, float] = (0, 0, 0)) -> Field:
    return lambda p: radius - np.linalg.norm(p - np.float32(centre), axis=1)


def ellipsoid(half: np.ndarray, centre: np.ndarray) -> Field:
    """Zero on the surface, and nowhere further from zero than the distance to it."""
    return lambda p: (1 - np.linalg.norm((p - centre) / half, axis=1)) * half.min()


def torus(ring: float, tube: float) -> Field:
    return lambda p: tube - np.hypot(np.hypot(p[:, 0], p[:, 2]) - ring, p[:, 1])


def box(half: tuple[float, float, float], centre: tuple[float, float, float] = (0, 0, 0)) -> Field:
    def field(p: np.ndarray) -> np.ndarray:
        q = np.abs(p - np.float32(centre)) - np.float32(half)
        return -(np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0))

    return field


def union(*fields: Field) -> Field:
    return lambda p: np.max([field(p) for field in fields], axis=0)


def clamped(field: Field, width: float, top: float = 8.0) -> Field:
    """Proportional to the distance up to `width`, then constant."""
    return lambda p: top * np.clip(field(p) / width, -1, 1)


def saturating(field: Field, width: float, top: float = 8.0) -> Field:
    """Levelling off softly; within one percent of `top` at `width`."""
    return lambda p: top * np.tanh(2.65 * field(p) / width)


def small_spheres(radii: np.ndarray) -> Field:
    """Up to twelve spheres, well apart, at places that no lattice favours."""
    places = [(x, y, z) for x in (-0.61, 0.02, 0.63) for y in (-0.52, 0.47) for z in (-0.48, 0.53)]
    shifts = np.random.default_rng(0).uniform(-0.1, 0.1, (len(radii), 3))
    return union(*[sphere(r, tuple(np.add(p, s))) for r, p, s in zip(radii, places, shifts, strict=False)])


def shapes(voxel: float) -> dict[str, Field]:
    """The five shapes of the acceptance test, thin features measured in this voxel."""
    gap = voxel / 2
    return {
        "sphere": sphere(0.5),
        "torus": torus(0.45, 0.16),
        "plate": box((0.5, 1.5 * voxel, 0.4), centre=(0.013, 0.0171, 0.0)),
        "ten spheres": small_spheres(np.linspace(2 * voxel, 0.1, 10)),
        "two spheres": union(sphere(0.3, (-0.3 - gap, 0, 0)), sphere(0.3, (0.3 + gap, 0, 0))),
    }


PROFILES = {
    "distance": lambda field: field,
    "clamped": lambda field: clamped(field, 0.1),
    "steep": lambda field: saturating(field, 0.05),
    "soft": lambda field: saturating(field, 0.15),
}
