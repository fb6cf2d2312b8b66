"""The stage between surfaces, latents and fields."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from apg_core.errors import DeviceMemoryError
from apg_core.geometry.band.lattice import Grid, NarrowBand
from apg_core.geometry.band.narrowing import narrow_band, narrow_band_in_box
from apg_core.geometry.band.samples import Field
from apg_core.geometry.extent import Extent, FieldWithin
from apg_core.geometry.values import Surface
from apg_core.models.attention import KeyValue
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.outline import fit_to_outline
from apg_core.protocol.arrays import Coverage, LatentArray
from apg_core.protocol.options import DecodeOptions

log = logging.getLogger(__name__)

QUERIES_AT_ONCE_CPU = 8_192  # the widest activations stay within a core's cache
QUERIES_AT_ONCE_GPU = 65_536  # four times as many take four times the memory and are no faster
FEWEST_QUERIES = 1_024
QUERIES_MULTIPLE = 512  # torch on CPU keeps about a megabyte for every number of rows that it has met
AGREEMENT_GRID = 24


class ShapeCodec:
    """Encodes surfaces to latents and decodes latents to the narrow band of their field; latents in VAE scale."""

    def __init__(self, vae: ShapeVae, *, few_shapes: bool | None = None) -> None:
        """With `few_shapes` a pass has one of few numbers of points, each of which costs a GPU a plan; its default."""
        self.vae = vae
        self._device = vae.quant.weight.device
        self._few_shapes = self._device.type != "cpu" if few_shapes is None else few_shapes
        self._queries_at_once = QUERIES_AT_ONCE_CPU if self._device.type == "cpu" else QUERIES_AT_ONCE_GPU

    @torch.inference_mode()
    def encode(self, surface: Surface, *, posterior_seed: int | None = None) -> LatentArray:
        """The posterior's mean, or one draw from it with this seed."""
        points = torch.tensor(surface.points, device=self._device)[None]
        queries = torch.tensor(surface.query_indices, device=self._device)[None]
        posterior = self.vae.encode(points, queries)
        if posterior_seed is None:
            return posterior.mean[0].float().cpu().numpy()
        return posterior.sample(torch.Generator().manual_seed(posterior_seed))[0].float().cpu().numpy()

    @torch.inference_mode()
    def decode(self, latent: LatentArray, options: DecodeOptions, within: Extent | None = None) -> NarrowBand:
        """The cells that the latent's surface passes through, with the field around them; looked for `within` only."""
        find = narrow_band_in_box if options.use_coarse_bbox else narrow_band
        field = self._field(latent)
        return find(field if within is None else FieldWithin(field, within), Grid(options.grid_size))

    @torch.inference_mode()
    def extent(self, latent: LatentArray) -> Extent:
        """Where the latent's shape roughly is."""
        return Extent.of_field(self._field(latent))

    def fit_to_outline(self, latent: LatentArray, shown: Coverage, seed: int) -> LatentArray:
        """The latent moved until its outline is that of the picture (`pipeline/outline.py`)."""

        def field(latent: Float[Tensor, "N C"], points: Float[Tensor, "Q 3"]) -> Float[Tensor, " Q"]:
            context = self.vae.field_context(latent[None])
            chunks = torch.split(points, self._queries_at_once)
            return torch.cat([self.vae.field(context, chunk[None])[0].float() for chunk in chunks])

        try:
            moved = fit_to_outline(field, torch.tensor(latent, device=self._device), shown, seed=seed)
        except torch.OutOfMemoryError:
            log.warning("out of memory: the whole stays as it was sampled, without a look at the outline")
            return latent
        return moved.cpu().numpy()

    def agreement(self, latents: Sequence[LatentArray], within: Extent | None = None) -> list[float]:
        """Mean volume IoU of each latent's shape with those of the others (two or more).

        The sample with the highest has the least expected error among them, as far as they show what is likely
        (minimum Bayes risk, Kumar and Byrne 2004).
        """
        return mean_agreement(self.volume_iou(latents, within))

    @torch.inference_mode()
    def volume_iou(self, latents: Sequence[LatentArray], within: Extent | None = None) -> Float[Tensor, "K K"]:
        """Volume IoU of each shape with each, over `AGREEMENT_GRID`^3 points or those `within`.

        It is 0 with a shape that has no volume.
        """
        grid = Grid(AGREEMENT_GRID)
        points = grid.positions(np.arange(grid.resolution**3))
        points = points if within is None else points[within.holds(points)]
        inside = torch.from_numpy(np.stack([self._field(latent)(points) > 0 for latent in latents])).float()
        shared = inside @ inside.T
        volume = shared.diagonal()
        return shared / (volume[:, None] + volume - shared).clamp(min=1)

    def _field(self, latent: LatentArray) -> Field:
        context = self.vae.field_context(torch.tensor(latent, device=self._device)[None])

        def field(queries: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
            wanted = torch.tensor(queries, device=self._device)
            values = [self._values(context, chunk) for chunk in torch.split(wanted, self._queries_at_once)]
            return torch.cat(values).cpu().numpy()

        return field

    def _values(self, context: KeyValue, queries: Float[Tensor, "Q 3"]) -> Float[Tensor, " Q"]:
        """The field at these queries; in halves, from then on, where the device has no room for so many at once."""
        shape = query_bucket(len(queries)) if self._few_shapes else len(queries) + -len(queries) % QUERIES_MULTIPLE
        padded = F.pad(queries, (0, 0, 0, shape - len(queries)))
        try:
            return self.vae.field(context, padded[None])[0].float()[: len(queries)]
        except torch.OutOfMemoryError as error:
            if shape <= FEWEST_QUERIES:
                raise DeviceMemoryError(
                    f"the device has no room for {shape} points of a field; set low_memory, or take a smaller preset"
                ) from error
        torch.cuda.empty_cache()
        self._queries_at_once = shape // 2
        log.warning("out of memory: fewer points of a field at once", extra={"points": self._queries_at_once})
        return torch.cat([self._values(context, half) for half in torch.split(queries, self._queries_at_once)])


def query_bucket(count: int) -> int:
    """The next power of two, from `FEWEST_QUERIES` on."""
    return max(FEWEST_QUERIES, 1 << (count - 1).bit_length())


def mean_agreement(iou: Float[Tensor, "K K"]) -> list[float]:
    """Mean of each row without its own shape's entry."""
    return ((iou.sum(1) - iou.diagonal()) / (len(iou) - 1)).tolist()
