"""Values that geometry hands on, and that cross processes: they load no library of meshes, so that those who only
pass them on need none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.protocol.mesh import TriangleMesh

NEARLY_WHITE = 245
"""All channels above it: the white that prepared pictures have around the object."""


@dataclass(frozen=True, kw_only=True)
class SurfaceSampling:
    """How many points: drawn by area, kept at random, kept by farthest points, and those that become tokens."""

    presamples: int = 500_000
    candidates: int = 65_536
    points: int = 32_768
    latents: int = 2048


@dataclass(frozen=True, eq=False)
class Surface:
    """Points (xyz, unit face normal) and the indices of those that become latent tokens, in the order found."""

    points: Float[np.ndarray, "P 6"]
    query_indices: Int[np.ndarray, " N"]


def zero_surface(sampling: SurfaceSampling) -> Surface:
    """The surface of nothing: all zeros, as the history of the first part."""
    return Surface(np.zeros((sampling.points, 6), np.float32), np.arange(sampling.latents))


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A part after cleanup, and what was done to it in words."""

    mesh: TriangleMesh
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RegionPicture:
    """A picture of the object whose parts' regions are known."""

    shown: Bool[np.ndarray, "H W"]
    """Where the object is."""
    part: Int[np.ndarray, "H W"]
    """Which sampled part each pixel shows, -1 where nothing says so."""


@dataclass(frozen=True)
class Partition:
    """Volumes as shares: of the solid for the whole, of the part for what it shares with others."""

    exact: bool
    """Whether the outer surface is the given one, and no copy."""
    unclaimed: float
    """Share of the solid that is in no part."""
    doubly_claimed: float
    """Share of the solid that is in more than one part."""
    shares: tuple[float, ...] = ()
    """Of each part, its share of the solid."""
    shared: tuple[float, ...] = ()
    """Of each part, the share of it that is in others, too."""

    @classmethod
    def nothing(cls) -> "Partition":
        """Of no solid at all."""
        return cls(exact=False, unclaimed=0.0, doubly_claimed=0.0)


@dataclass(frozen=True, eq=False)
class Reopened:
    """Parts of a given mesh, as they were cut from it: those whose region may be divided anew, and those that stay.

    Where there is no region, further parts take theirs from those that they reach into.
    """

    given: TriangleMesh
    region: Sequence[TriangleMesh]
    kept: Sequence[TriangleMesh]
