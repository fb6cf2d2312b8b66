"""Sampling settings by trial: sampled latents against those of held-out objects, many at once.

Much cheaper than whole generations: contexts are true latents, and volumes are compared at random points.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Required, TypedDict

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.codec import ShapeCodec, mean_agreement
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.protocol.arrays import FeatureArray
from apg_core.protocol.options import GuidanceScales
from apg_core.shapes import Latents, QueryPoints
from training.pool import Chunk
from training.precision import mixed_precision
from training.sizes import TINY_SCHEDULE
from training.train_dit import PartGenerator

logger = logging.getLogger(__name__)

PROBES = 4096
STEPS = 16
AT_ONCE = 8  # fields to evaluate together


class Inputs(TypedDict, total=False):
    """What one object's request is made of."""

    features: Required[FeatureArray | None]
    region_features: FeatureArray
    geometry: Geometry


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one setting gave."""

    name: str
    iou: float
    ends: "Ends | None" = None
    """How well ends are told from parts, where both were sampled."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The threshold on a latent's mean magnitude that tells most ends from most parts."""

    threshold: float
    false_ends: float
    """Share of parts that are taken for the end."""
    missed: float
    """Share of true ends that are not recognised."""

    @staticmethod
    def told_by(magnitude: Float[Tensor, " B"], ended: Bool[Tensor, " B"]) -> "Ends":
        """The threshold with the fewest mistakes, each kind counted as a share of its own."""
        # Between neighbours, so that the threshold keeps its distance from both.
        ordered = magnitude.sort().values
        thresholds = (ordered[1:] + ordered[:-1]) / 2
        small = magnitude < thresholds[:, None]
        false_ends = (small & ~ended).sum(1) / (~ended).sum()
        missed = (~small & ended).sum(1) / ended.sum()
        best = int((false_ends + missed).argmin())
        return Ends(threshold=float(thresholds[best]), false_ends=float(false_ends[best]), missed=float(missed[best]))


class Tuner:
    """Samples parts and wholes of a chunk's objects under given guidance, by the pipeline's own sampler."""

    def __init__(
        self,
        vae: ShapeVae,
        model: PartGenerator,
        chunk: Chunk,
        *,
        scale: float,
        empty: Tensor,
        objects: int,
    ) -> None:
        self.vae, self.chunk = vae, chunk
        self.generator = torch.Generator().manual_seed(11)
        # Framed objects come first in a chunk; a picture says nothing about the pose of the others.
        self.rows = torch.arange(objects)
        counts = chunk.counts[: len(self.rows)]
        self.made = (torch.rand(objects, generator=self.generator) * (counts + 1)).long()
        self.ended = self.made >= counts
        before = chunk.beginnings[self.rows, (self.made - 1).clamp(min=0)].float()
        history = torch.where((self.made == 0)[:, None, None], empty, before)
        self.target = chunk.parts[self.rows, self.made.clamp(max=chunk.parts.shape[1] - 1)].float()
        self.whole = chunk.whole[self.rows].float()
        self.geometry = [Geometry(*latents.numpy()) for latents in torch.stack([self.whole, history], dim=1)]
        extractor = FeatureExtractor(model.image_encoder)
        rgb, seen = chunk.rgb[self.rows], (chunk.seen[self.rows] == self.made[:, None, None])[..., None]
        self.pictures = extractor.extract(list(rgb.numpy()))
        self.regions = extractor.extract(list(torch.where(seen, rgb, 255).numpy()))
        self.visible = seen.flatten(1).sum(1) >= 12
        self.sampler = PartSampler(
            model.dit,
            schedule=TINY_SCHEDULE,
            latent_scale=scale,
            num_latents=self.whole.shape[1],
            dropped=extractor.dropped(),
        )

    def _sampled(
        self, guidance: GuidanceScales, *, inputs: Sequence[Inputs], steps: int = STEPS, draw: int = 0
    ) -> Latents:
        """A latent in VAE scale of each object; another one for another `draw`."""
        requests = [
            LatentRequest(**given, guidance=guidance, seed=draw * len(inputs) + row, steps=steps, sigma_floor=0.0)
            for row, given in enumerate(inputs)
        ]
        with mixed_precision(self.whole.device.type):
            return torch.from_numpy(np.stack(self.sampler.sample_together(requests)))

    @torch.no_grad()
    def _iou(self, found: Latents, truth: Latents) -> Float[Tensor, " B"]:
        spread = torch.rand(len(truth), 4 * PROBES, 3, generator=self.generator) * 2 - 1
        inside = self._inside(truth, spread)
        low = torch.where(inside[..., None], spread, 1.0).amin(1, keepdim=True) - 0.1
        high = torch.where(inside[..., None], spread, -1.0).amax(1, keepdim=True) + 0.1
        probes = low + (high - low) * torch.rand(len(truth), PROBES, 3, generator=self.generator)
        a, b = self._inside(truth, probes), self._inside(found, probes)
        return (a & b).sum(1) / (a | b).sum(1).clamp(min=1)

    def _inside(self, latents: Latents, places: QueryPoints) -> Bool[Tensor, "B Q"]:
        some = zip(latents.split(AT_ONCE), places.split(AT_ONCE), strict=True)
        return torch.cat([self.vae.decode(*pair) > 0 for pair in some])

    def parts(self, scale: float, *, steps: int = STEPS) -> Trial:
        """The next part, or the end, without a picture."""
        found = self._parts(scale, steps=steps)
        real = ~self.ended
        return Trial(
            name=f"parts {scale}, {steps} steps",
            iou=float(self._iou(found[real], self.target[real]).mean()),
            ends=Ends.told_by(found.abs().mean((1, 2)), self.ended),
        )

    def best_of(self, counts: Sequence[int], scale: float) -> list[Trial]:
        """The next part as the pipeline's option of that name keeps it, for each of the counts."""
        codec, real = ShapeCodec(self.vae), ~self.ended
        samples = torch.stack([self._parts(scale, draw=draw)[real] for draw in range(max(counts))])
        ious = torch.stack([self._iou(found, self.target[real]) for found in samples])
        between = [codec.volume_iou(list(latents.numpy())) for latents in samples.unbind(1)]
        trials = []
        for count in counts:
            kept = [int(np.argmax(mean_agreement(iou[:count, :count]))) for iou in between]
            iou = float(ious[torch.tensor(kept), torch.arange(len(kept))].mean())
            trials.append(Trial(name=f"parts {scale}, best of {count}", iou=iou))
        return trials

    def _parts(self, scale: float, *, steps: int = STEPS, draw: int = 0) -> Latents:
        inputs = [Inputs(features=None, geometry=geometry) for geometry in self.geometry]
        return self._sampled(GuidanceScales(image=0, geometry=scale), inputs=inputs, steps=steps, draw=draw)

    def masked(self, image_scale: float, geometry_scale: float) -> Trial:
        """The part that a region shows."""
        inputs = [
            Inputs(features=picture, region_features=region, geometry=geometry)
            for picture, region, geometry in zip(self.pictures, self.regions, self.geometry, strict=True)
        ]
        found = self._sampled(GuidanceScales(image=image_scale, geometry=geometry_scale), inputs=inputs)
        real = ~self.ended & self.visible
        iou = float(self._iou(found[real], self.target[real]).mean())
        return Trial(name=f"masked {image_scale} {geometry_scale}", iou=iou)

    def wholes(self, scale: float) -> Trial:
        """The whole from its picture."""
        inputs = [Inputs(features=picture) for picture in self.pictures]
        found = self._sampled(GuidanceScales(image=scale, geometry=0), inputs=inputs)
        return Trial(name=f"wholes {scale}", iou=float(self._iou(found, self.whole).mean()))

    def every(self) -> None:
        """Log a trial of each scale that is worth trying."""
        for scale in (1.0, 1.5, 2.0, 2.5, 3.5):
            logger.info("%s", self.parts(scale))
        for steps in (8, 12, 25, 50):
            logger.info("%s", self.parts(1.5, steps=steps))
        for trial in self.best_of((2, 4, 6, 8), 1.5):
            logger.info("%s", trial)
        for image, geometry in ((1.0, 1.0), (1.5, 1.5), (2.0, 2.0), (2.0, 3.0), (3.0, 3.0)):
            logger.info("%s", self.masked(image, geometry))
        for scale in (1.0, 1.5, 2.5, 3.5):
            logger.info("%s", self.wholes(scale))
