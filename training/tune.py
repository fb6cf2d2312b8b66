"""Sampling settings by trial: sampled latents against those of held-out objects, many at once.

Much cheaper than whole generations: contexts are true latents, and volumes are compared at random points.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.codec import ShapeCodec, mean_agreement
from training.pool import Chunk
from training.sizes import TINY_SCHEDULE
from training.train_dit import PartGenerator

logger = logging.getLogger(__name__)

PROBES = 4096
STEPS = 16


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
    """Samples parts and wholes of a chunk's objects under given guidance."""

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
        self.vae, self.model, self.chunk, self.scale = vae, model, chunk, scale
        self.generator = torch.Generator().manual_seed(11)
        # Framed objects come first in a chunk; a picture says nothing about the pose of the others.
        self.rows = torch.arange(objects)
        counts = chunk.counts[: len(self.rows)]
        self.made = (torch.rand(objects, generator=self.generator) * (counts + 1)).long()
        self.ended = self.made >= counts
        before = chunk.beginnings[self.rows, (self.made - 1).clamp(min=0)].float()
        history = torch.where((self.made == 0)[:, None, None], empty, before)
        self.target = chunk.parts[self.rows, self.made.clamp(max=chunk.parts.shape[1] - 1)].float()
        self.geometry = torch.stack([chunk.whole[self.rows].float(), history], dim=1) * scale
        self.pictures = self._features(chunk.rgb[self.rows])
        seen = (chunk.seen[self.rows] == self.made[:, None, None])[..., None]
        self.regions = self._features(torch.where(seen, chunk.rgb[self.rows], 255))
        self.visible = seen.flatten(1).sum(1) >= 12
        black = torch.zeros(1, *chunk.rgb.shape[1:], dtype=torch.uint8)
        self.dropped = self._features(black).expand(objects, -1, -1)

    @torch.no_grad()
    def _features(self, rgb: Tensor) -> Tensor:
        return self.model.image_encoder(rgb.permute(0, 3, 1, 2).float() / 255)

    @torch.no_grad()
    def _sample(self, rows: Sequence[tuple[float, Tensor, Tensor]], *, steps: int = STEPS) -> Tensor:
        """Latents (VAE scale) under the weighted rows of (weight, image context, geometry)."""
        rows = [row for row in rows if row[0] != 0]
        images, geometry = torch.cat([row[1] for row in rows]), torch.cat([row[2] for row in rows])
        context = self.model.dit.context(images, geometry)
        solver = TINY_SCHEDULE.solver(steps)
        state = torch.randn(self.target.shape, generator=self.generator)
        for timestep in solver.timesteps:
            with torch.autocast(state.device.type, torch.bfloat16):
                both = self.model.dit(state.repeat(len(rows), 1, 1), timestep.expand(len(rows) * len(state)), context)
            both = both.float()
            velocity = sum(row[0] * part for row, part in zip(rows, both.chunk(len(rows)), strict=True))
            state = solver.step(velocity, timestep, state, generator=self.generator).prev_sample
        return state / self.scale

    def _twice(self, features: Tensor) -> Tensor:
        return torch.cat([features, features], dim=-1)

    @torch.no_grad()
    def _iou(self, found: Tensor, truth: Tensor) -> Tensor:
        spread = torch.rand(len(truth), 4 * PROBES, 3, generator=self.generator) * 2 - 1
        inside = torch.cat([self.vae.decode(truth[i : i + 8], spread[i : i + 8]) > 0 for i in range(0, len(truth), 8)])
        low = torch.where(inside[..., None], spread, 1.0).amin(1, keepdim=True) - 0.1
        high = torch.where(inside[..., None], spread, -1.0).amax(1, keepdim=True) + 0.1
        probes = low + (high - low) * torch.rand(len(truth), PROBES, 3, generator=self.generator)
        a = torch.cat([self.vae.decode(truth[i : i + 8], probes[i : i + 8]) > 0 for i in range(0, len(truth), 8)])
        b = torch.cat([self.vae.decode(found[i : i + 8], probes[i : i + 8]) > 0 for i in range(0, len(truth), 8)])
        return (a & b).sum(1) / (a | b).sum(1).clamp(min=1)

    def parts(self, scale: float, *, steps: int = STEPS) -> Trial:
        """The next part, or the end, without a picture."""
        found = self._sample(self._part_rows(scale), steps=steps)
        real = ~self.ended
        return Trial(
            name=f"parts {scale}, {steps} steps",
            iou=float(self._iou(found[real], self.target[real]).mean()),
            ends=Ends.told_by(found.abs().mean((1, 2)), self.ended),
        )

    def best_of(self, counts: Sequence[int], scale: float) -> list[Trial]:
        """The next part as the pipeline's option of that name keeps it, for each of the counts."""
        codec, real = ShapeCodec(self.vae), ~self.ended
        samples = torch.stack([self._sample(self._part_rows(scale))[real] for _ in range(max(counts))])
        ious = torch.stack([self._iou(found, self.target[real]) for found in samples])
        between = [codec.volume_iou(list(latents.numpy())) for latents in samples.unbind(1)]
        trials = []
        for count in counts:
            kept = [int(np.argmax(mean_agreement(iou[:count, :count]))) for iou in between]
            iou = float(ious[torch.tensor(kept), torch.arange(len(kept))].mean())
            trials.append(Trial(name=f"parts {scale}, best of {count}", iou=iou))
        return trials

    def _part_rows(self, scale: float) -> list[tuple[float, Tensor, Tensor]]:
        none = self._twice(self.dropped)
        return [(1 - scale, none, torch.zeros_like(self.geometry)), (scale, none, self.geometry)]

    def masked(self, image_scale: float, geometry_scale: float) -> Trial:
        """The part that a region shows."""
        none, zero = self._twice(self.dropped), torch.zeros_like(self.geometry)
        image = torch.cat([self.pictures, self.regions], dim=-1)
        found = self._sample(
            [
                (1 - geometry_scale, none, zero),
                (geometry_scale - image_scale, none, self.geometry),
                (image_scale, image, self.geometry),
            ]
        )
        real = ~self.ended & self.visible
        iou = float(self._iou(found[real], self.target[real]).mean())
        return Trial(name=f"masked {image_scale} {geometry_scale}", iou=iou)

    def wholes(self, scale: float) -> Trial:
        """The whole from its picture."""
        zero = torch.zeros_like(self.geometry[:, :1])
        found = self._sample([(1 - scale, self._twice(self.dropped), zero), (scale, self._twice(self.pictures), zero)])
        iou = float(self._iou(found, self.chunk.whole[self.rows].float()).mean())
        return Trial(name=f"wholes {scale}", iou=iou)

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
