"""The stages of a generation as their driver sees them, and the values that pass between.

Every value is plain numpy, so that it can cross a process; latents are in VAE scale. The local pipeline and the
service implement the same protocol.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import Cleaned, Partition, RegionPicture, Reopened, Surface
from apg_core.protocol.arrays import Coverage, FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, GuidanceScales, MeshOptions

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """The object on white and each mask region on white, all in one crop, at the encoder's size."""

    whole: RgbImage
    regions: tuple[RgbImage, ...]
    warning: str | None = None
    labels: Labels | None = None
    """The mask in that crop, where there is one."""
    outline: Coverage | None = None
    """How much of each pixel the object covers (`prepare_outline`); None where the picture does not tell for sure."""


@dataclass(frozen=True, eq=False)
class HistoryNoise:
    """Noise mixed into the history, and told to the network: its share in [0, 1], and standard normal values."""

    sigma: float
    noise: LatentArray


@dataclass(frozen=True, eq=False)
class Geometry:
    """What a part is sampled beside: latents of the whole object and of the parts so far."""

    whole: LatentArray
    history: LatentArray
    noise: HistoryNoise | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentRequest:
    """Sample one latent: of the next part, or of the whole object where there is no geometry to go by."""

    features: FeatureArray | None
    """Of the picture, where there is one."""
    region_features: FeatureArray | None = None
    """Of the part's mask region, where there is one."""
    geometry: Geometry | None = None
    guidance: GuidanceScales
    """For the whole object only the image's counts."""
    seed: int
    steps: int
    sigma_floor: float
    end_below: float | None = None
    """Mean magnitude (VAE scale) of a latent that is foreseen, below which the rest of the steps is saved."""

    def __post_init__(self) -> None:
        if self.features is None and self.geometry is None:
            raise ValueError("nothing to sample from: give features, geometry, or both")


@dataclass(frozen=True, eq=False)
class CleanedPart:
    """A part after cleanup, the cells its surface passes through, and what cleanup did."""

    mesh: TriangleMesh
    cells: SurfaceCells
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FittedParts:
    """A mesh divided among parts: empty are those that have none of it, those past the given ones are new."""

    parts: tuple[Cleaned, ...]
    share: float
    """Of the volume of the parts as they were, how much the mesh encloses."""
    remainder: tuple[bool, ...]
    """Of each new part, whether no given one had claimed what it has."""
    partition: Partition


class Stages(Protocol):
    """What a generation needs done."""

    def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> Awaitable[PreparedImages]:
        """Remove the background, then crop the whole and the regions."""
        ...

    def encode_images(self, images: Sequence[RgbImage]) -> Awaitable[Sequence[FeatureArray]]:
        """Features of prepared images."""
        ...

    def sample_surface(self, mesh: TriangleMesh, seed: int) -> Awaitable[Surface]:
        """Points and farthest points of a mesh's surface; those of nothing for the empty mesh."""
        ...

    def encode_surface(self, surface: Surface, posterior_seed: int | None) -> Awaitable[LatentArray]:
        """Latent of a surface: the posterior's mean, or a draw from it where a seed is given."""
        ...

    def sample_latents(
        self, requests: Sequence[LatentRequest], on_step: OnStep | None
    ) -> Awaitable[Sequence[LatentArray]]:
        """A latent of the whole object or of the next part for each request; `on_step` hears of the slowest."""
        ...

    def find_extent(self, whole: LatentArray, mesh: TriangleMesh | None) -> Awaitable[Extent]:
        """Where the whole object is: its normalised mesh where there is one, else the shape of its latent."""
        ...

    def measure_agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> Awaitable[Sequence[float]]:
        """How alike the shape of each of two or more latents is to those of the others, in [0, 1]."""
        ...

    def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> Awaitable[LatentArray]:
        """A sampled whole's latent, moved until the shape has the picture's outline."""
        ...

    def decode_mesh(
        self, latent: LatentArray, options: DecodeOptions, within: Extent | None
    ) -> Awaitable[TriangleMesh]:
        """Surface of a latent's field; empty where the field is negative everywhere."""
        ...

    def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> Awaitable[float]:
        """Larger share of surface cells that the mesh and the accepted parts have in common."""
        ...

    def measure_cover(self, given: TriangleMesh, accepted: SurfaceCells) -> Awaitable[float]:
        """Share of the given mesh's surface cells that accepted parts pass through or beside."""
        ...

    def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> Awaitable[CleanedPart]:
        """Simplify and drop floaters; measure the cells that are left."""
        ...

    def fit_parts(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> Awaitable[FittedParts]:
        """Divide the given mesh among the parts, where there is a picture of its regions also by that."""
        ...


class EditStages(Stages, Protocol):
    """What edits need done beside."""

    def merge_parts(self, parts: Sequence[TriangleMesh]) -> Awaitable[Cleaned]:
        """The boolean union of parts; laid over each other, with a note, where they are not closed."""
        ...

    def refit_parts(
        self, parts: Sequence[TriangleMesh], reopened: Reopened, options: MeshOptions
    ) -> Awaitable[FittedParts]:
        """Divide a region of the given mesh among the parts; the partition is that of all, the kept ones first."""
        ...


def magnitude(latent: LatentArray) -> float:
    """Mean absolute value: near zero means that there is no further part."""
    return float(np.abs(latent).mean())
