"""Trains the autoencoder on fields of procedural objects made on the fly."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from apg_core.models.shape_vae import ShapeVae
from training.loop import Metrics, Run, RunOptions
from training.objects.batch import sample_surface, union_distance
from training.objects.draw import draw_objects
from training.objects.families import TRAINED, Family
from training.objects.kept_out import KEPT_OUT
from training.objects.source import Source
from training.runs import start_from
from training.samples import (
    FieldBatch,
    farthest_points,
    field_batch,
    joined_fields,
    meshed_field_batch,
    random_subsets,
)
from training.sizes import LATENTS, SURFACE_POINTS, TINY_VAE

KL_WEIGHT = 5e-3
SQUARED_WEIGHT = 0.05
BLUR = 0.4
MESHED_SHARE = 0.7
"""Of a batch, what comes from real objects and families of solids."""

Half = Literal["encoder", "decoder"]


class FieldLoss(nn.Module):
    """Encodes, samples the posterior, decodes and compares fields: L1, some L2, a little KL.

    Where only the decoder is trained, the latents that a denoiser knows stay what they are; they are blurred by up to
    BLUR of their deviation, so that the decoder forgives what a denoiser gets slightly wrong. Where only the encoder
    is, what a denoiser makes means the same shapes as before, and the encoder finds better latents for its shapes.
    """

    def __init__(self, vae: ShapeVae, *, only: Half | None = None) -> None:
        super().__init__()
        self.vae = vae
        self.only = only
        encoder, decoder = (vae.encoder, vae.quant), (vae.post_quant, vae.decoder)
        for fixed in {None: (), "encoder": decoder, "decoder": encoder}[only]:
            fixed.requires_grad_(False)

    def forward(self, batch: FieldBatch) -> dict[str, Tensor]:
        posterior = self.vae.encode(batch.surface, batch.farthest)
        mean, log_variance = posterior.mean.float(), posterior.log_variance.float()
        latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        if self.only == "decoder":
            blur = BLUR * mean.std() * torch.rand(len(mean), 1, 1, device=mean.device) ** 2
            latents = latents + blur * torch.randn_like(mean)
        error = self.vae.decode(latents, batch.queries).float() - batch.field
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        absolute = error.abs().mean()
        total = absolute + SQUARED_WEIGHT * (error**2).mean() + KL_WEIGHT * kl
        return {"total": total, "l1": absolute.detach(), "kl": kl.detach()}


def field_batches(
    *, batch: int, queries: int, seed: int, source: Source | None = None, families: Mapping[str, Family] = TRAINED
) -> Iterator[tuple[int, FieldBatch]]:
    """Endless training batches; `MESHED_SHARE` of each comes from the source, where there is one."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    sizes = {"points": SURFACE_POINTS, "latents": LATENTS, "queries": queries}
    meshed = 0 if source is None else round(MESHED_SHARE * batch)
    while True:
        objects, _ = draw_objects(families, batch - meshed, rng=rng)
        fields = field_batch(objects, rng=rng, generator=generator, **sizes)
        if source is not None:
            drawn = [source.draw(rng, turned=0.5) for _ in range(meshed)]
            fields = joined_fields([fields, meshed_field_batch(drawn, rng=rng, generator=generator, **sizes)])
        yield batch, fields


@torch.no_grad()
def reconstruction_iou(vae: ShapeVae, families: Mapping[str, Family], *, count: int, wholes: bool) -> float:
    """Mean volume IoU of reconstructions, by 4,096 points in each shape's bounding box; fixed seed."""
    rng, generator = np.random.default_rng(977), torch.Generator().manual_seed(977)
    objects, _ = draw_objects(families, count, rng=rng)
    chosen = objects.kind >= 0 if wholes else objects.members(random_subsets(objects, rng=rng))
    surface = sample_surface(objects, chosen, count=SURFACE_POINTS, generator=generator)
    low, high = surface[..., :3].amin(1, keepdim=True) - 0.03, surface[..., :3].amax(1, keepdim=True) + 0.03
    points = low + (high - low) * torch.rand(count, 4096, 3, generator=generator)
    truth = union_distance(objects, points, chosen) < 0
    device = vae.post_quant.weight.device
    latents = vae.encode(surface.to(device), farthest_points(surface, LATENTS, rng=rng).to(device)).mean
    found = vae.decode(latents, points.clamp(-1.01, 1.01).to(device)).cpu() > 0
    overlap = (truth & found).sum(1) / (truth | found).sum(1).clamp(min=1)
    return float(overlap.mean())


def train_vae(
    options: RunOptions,
    *,
    batch: int = 32,
    queries: int = 256,
    seed: int = 1,
    start: Path | None = None,
    only: Half | None = None,
    source: Source | None = None,
) -> None:
    """Train (or continue) the autoencoder within the options' budget, from a preset's weights if one is named."""
    torch.manual_seed(seed)
    vae = ShapeVae(TINY_VAE)
    if start is not None:
        start_from(vae, start / "vae.safetensors")
    run = Run(FieldLoss(vae, only=only), options)

    def evaluate() -> Metrics:
        vae = run.inner.vae
        return {
            "iou": reconstruction_iou(vae, TRAINED, count=48, wholes=False),
            "iou_whole": reconstruction_iou(vae, TRAINED, count=24, wholes=True),
            "iou_kept_out": reconstruction_iou(vae, KEPT_OUT, count=24, wholes=False),
        }

    seed += run.steps + 1_000_003 * run.rank
    run.train(field_batches(batch=batch, queries=queries, seed=seed, source=source), evaluate)
