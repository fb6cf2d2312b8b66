"""Trains the denoiser and the image encoder together on prepared objects.

Targets are the parts in order, the zero latent as end of sequence, and the whole from its picture.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from training.loop import Metrics, Run, RunOptions, on_device
from training.pool import Chunk
from training.runs import averaged_weights, start_from
from training.sizes import LATENTS, TINY_DIT, TINY_IMAGE_ENCODER, TINY_SCHEDULE

logger = logging.getLogger(__name__)

WHOLE_SHARE = 0.5
MASKED_SHARE = 0.3
"""Share of the part samples that see a picture and the region of their part."""
DROP_GEOMETRY = 0.1
DROP_IMAGE = 0.1
NOISED_SHARE = 0.25
"""Share of part batches whose history is noised and told so (diffusion forcing)."""
ROUGHENED_SHARE, ROUGHENED_MOST = 0.25, 0.25
PART_GUIDANCE, WHOLE_GUIDANCE = 2.25, 2.5
"""Guidance scales that a run with `guided` takes into the weights."""


@dataclass(frozen=True, kw_only=True)
class DenoisingBatch:
    """Latents in DiT scale, and pictures in [0, 1] for the rows that have one."""

    target: Float[Tensor, "B N C"]
    geometry: Float[Tensor, "B S N C"]
    sigma: Float[Tensor, "B S"] | None
    pictured: Int[Tensor, " I"]
    """Rows that see a picture; the others see the dropped image."""
    whole_picture: Float[Tensor, "I 3 H W"]
    part_picture: Float[Tensor, "I 3 H W"] | None
    """The region of the part; None where the whole stands in both halves."""
    noise: Float[Tensor, "B N C"]
    timestep: Int[Tensor, " B"]
    guidance: Float[Tensor, " B"] | None = None
    """Guidance scale of each row that the weights take in; 1 for rows that see nothing. None: no row has any."""


class PartGenerator(nn.Module):
    """The denoiser with its image encoder; the forward pass is the training loss."""

    alphas: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.dit = PartDit(TINY_DIT)
        self.image_encoder = ImageEncoder(TINY_IMAGE_ENCODER)
        # The solver's schedule is the truth that sampling uses; zero terminal SNR is in its cumulative products.
        self.register_buffer("alphas", TINY_SCHEDULE.solver(50).alphas_cumprod.float(), persistent=False)

    def image_context(self, batch: DenoisingBatch) -> Tensor:
        """[whole ; part] features of every row, the dropped image where there is no picture."""
        size = self.image_encoder.config.input_image_size
        black = batch.target.new_zeros(1, 3, size, size)
        count = len(batch.pictured)
        seen = [black, batch.whole_picture, *([] if batch.part_picture is None else [batch.part_picture])]
        features = self.image_encoder(torch.cat(seen)).float()
        dropped, whole, part = features[:1], features[1 : count + 1], features[-count:] if count else features[:0]
        rows = torch.cat([dropped, dropped], dim=-1).expand(len(batch.target), -1, -1)
        return rows.index_copy(0, batch.pictured, torch.cat([whole, part], dim=-1))

    def forward(self, batch: DenoisingBatch) -> dict[str, Tensor]:
        context = self.dit.context(self.image_context(batch), batch.geometry, batch.sigma)
        alpha = self.alphas[batch.timestep][:, None, None]
        noisy = alpha.sqrt() * batch.target + (1 - alpha).sqrt() * batch.noise
        velocity = alpha.sqrt() * batch.noise - (1 - alpha).sqrt() * batch.target
        found = self.dit(noisy, batch.timestep, context).float()
        if batch.guidance is not None:
            velocity = guided_target(velocity, found.detach(), self._seeing_nothing(batch, noisy), batch.guidance)
        error = (found - velocity) ** 2
        total = error.mean()
        return {"total": total, "l1": error.detach().sqrt().mean()}

    @torch.no_grad()
    def _seeing_nothing(self, batch: DenoisingBatch, noisy: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        nothing = replace(batch, pictured=batch.pictured[:0], whole_picture=batch.whole_picture[:0], part_picture=None)
        context = self.dit.context(self.image_context(nothing), torch.zeros_like(batch.geometry), batch.sigma)
        return self.dit(noisy, batch.timestep, context).float()


def guided_target(
    velocity: Float[Tensor, "B N C"],
    found: Float[Tensor, "B N C"],
    unseen: Float[Tensor, "B N C"],
    scale: Float[Tensor, " B"],
) -> Float[Tensor, "B N C"]:
    """What a network learns that shall answer as with guidance, at once (model guidance, Tang et al. 2025).

    `found` is its answer c with its conditions and `unseen` the one u without. It settles where c = target, which is
    c = v + (1 - 1 / s) (c - u), so c = u + s (v - u): classifier-free guidance of the data's velocity v.
    """
    return velocity + (1 - 1 / scale)[:, None, None] * (found - unseen)


def trained_generator(folder: Path) -> PartGenerator:
    """The denoiser and image encoder of a run, with averaged weights, ready to use."""
    generator = PartGenerator()
    generator.load_state_dict(averaged_weights(folder, ""))
    return generator.eval()


class Sampler:
    """Draws denoising batches from a pool of chunks that may still be growing."""

    def __init__(
        self, folder: Path, *, scale: float, empty: Tensor, seed: int, rank: int = 0, guided: bool = False
    ) -> None:
        self._folder, self._scale, self._guided = folder, scale, guided
        self._empty = empty * scale
        self._kinds = np.random.default_rng(seed)  # the same in all workers, whose batches should cost the same
        self._rng = np.random.default_rng([seed, rank])
        self._generator = torch.Generator().manual_seed(seed + 1_000_003 * rank)
        self._files: list[Path] = []
        self._pool: Chunk | None = None

    def refresh(self) -> None:
        """Take in the chunks that have appeared since."""
        files = sorted(self._folder.glob("chunk_*.pt"))
        new = [path for path in files if path not in self._files]
        if new:
            loaded = [Chunk.load(path) for path in new]
            self._pool = Chunk.joined([*([self._pool] if self._pool else []), *loaded])
            self._files += new
            logger.info("pool of %d objects", len(self._pool.counts))

    @property
    def pool(self) -> Chunk:
        if self._pool is None:
            self.refresh()
        if self._pool is None:
            raise FileNotFoundError(f"no chunks in {self._folder}; run `python -m training pool` first")
        return self._pool

    def _pictures(self, rows: Tensor, part: Tensor | None) -> tuple[Tensor, Tensor]:
        pool = self.pool
        # Colours say nothing about shape: their channels change places, so that one picture serves as six.
        order = self._rng.permuted(np.tile(np.arange(3), (len(rows), 1)), axis=1)
        rgb = pool.rgb[rows].gather(3, torch.from_numpy(order)[:, None, None].expand(-1, *pool.rgb.shape[1:3], -1))
        region = rgb if part is None else torch.where((pool.seen[rows] == part[:, None, None])[..., None], rgb, 255)
        return tuple(image.permute(0, 3, 1, 2).float() / 255 for image in (rgb, region))  # type: ignore[return-value]

    def wholes(self, count: int) -> DenoisingBatch:
        """Whole objects from their pictures, over one zero geometry slot."""
        pool, rng = self.pool, self._rng
        framed = pool.framed.nonzero()[:, 0]
        rows = framed[torch.from_numpy(rng.integers(0, len(framed), count))]
        target = pool.whole[rows].float() * self._scale
        pictured = torch.from_numpy((rng.random(count) >= DROP_IMAGE).nonzero()[0])
        picture, _ = self._pictures(rows[pictured], None)
        return DenoisingBatch(
            target=target,
            geometry=torch.zeros(count, 1, *target.shape[1:]),
            sigma=None,
            pictured=pictured,
            whole_picture=picture,
            part_picture=None,
            guidance=self._guidance(count, WHOLE_GUIDANCE, pictured),
            **self._noise(target),
        )

    def parts(self, count: int) -> DenoisingBatch:
        """The next part, or the end, from the whole and the history; some follow a masked region."""
        pool, rng = self.pool, self._rng
        rows = torch.from_numpy(rng.integers(0, len(pool.counts), count))
        counts = pool.counts[rows]
        made = torch.from_numpy(rng.integers(0, counts.numpy() + 1))
        wanted = made.clone()
        # A masked region may be any part that is still to come, since regions have an order of their own.
        masked = torch.from_numpy(rng.random(count) < MASKED_SHARE * (1 - DROP_IMAGE)) & (made < counts)
        later = torch.from_numpy(rng.integers(0, (counts - made).clamp(min=1).numpy())) + made
        wanted = torch.where(masked, later, wanted)
        visible = (pool.seen[rows].flatten(1) == wanted[:, None]).sum(1) >= 12
        wanted = torch.where(masked & ~visible, made, wanted)
        masked &= visible
        ended = wanted >= counts
        part = pool.parts[rows, wanted.clamp(max=pool.parts.shape[1] - 1)].float()
        target = torch.where(ended[:, None, None], 0.0, part) * self._scale
        before = pool.beginnings[rows, (made - 1).clamp(min=0)].float() * self._scale
        history = torch.where((made == 0)[:, None, None], self._empty, self._roughened(before))
        geometry = torch.stack([self._roughened(pool.whole[rows].float() * self._scale), history], dim=1)
        sigma = None
        if rng.random() < NOISED_SHARE:
            level = torch.rand(count, generator=self._generator) * 0.6
            noise = torch.randn(history.shape, generator=self._generator)
            geometry[:, 1] = (1 - level[:, None, None]) * history + level[:, None, None] * noise
            sigma = torch.stack([torch.zeros(count), level], dim=1)
        bare = torch.from_numpy(rng.random(count) < DROP_GEOMETRY) & ~masked
        geometry[bare] = 0
        pictured = masked.nonzero()[:, 0]
        whole_picture, region = self._pictures(rows[pictured], wanted[pictured])
        return DenoisingBatch(
            target=target,
            geometry=geometry,
            sigma=sigma,
            pictured=pictured,
            whole_picture=whole_picture,
            part_picture=region,
            guidance=self._guidance(count, PART_GUIDANCE, (~bare).nonzero()[:, 0]),
            **self._noise(target),
        )

    def _guidance(self, count: int, scale: float, seeing: Int[Tensor, " R"]) -> Float[Tensor, " B"] | None:
        return torch.ones(count).index_fill(0, seeing, scale) if self._guided else None

    def _roughened(self, latents: Tensor) -> Tensor:
        # Earlier parts, and in image mode the whole, are samples themselves: a little untold noise keeps later
        # parts from trusting every detail.
        level = torch.rand(len(latents), 1, 1, generator=self._generator) * ROUGHENED_MOST
        level *= torch.rand(len(latents), 1, 1, generator=self._generator) < ROUGHENED_SHARE
        return (1 - level) * latents + level * torch.randn(latents.shape, generator=self._generator)

    def _noise(self, target: Tensor) -> dict[str, Tensor]:
        # Stratified timesteps: a batch covers all noise levels evenly, which quiets the loss.
        count = len(target)
        even = (torch.arange(count) + torch.rand(count, generator=self._generator)) / count
        timestep = (even * 1000).long().clamp(max=999)[torch.randperm(count, generator=self._generator)]
        noise = torch.randn(target.shape, generator=self._generator)
        return {"noise": nearest_order(noise, target), "timestep": timestep}

    def batches(self, count: int) -> Iterator[tuple[int, DenoisingBatch]]:
        """Endless training batches, of parts or of wholes; new chunks are taken in on the way."""
        step = 0
        while True:
            if step % 100 == 0:
                self.refresh()
            step += 1
            whole = self._kinds.random() < WHOLE_SHARE
            yield count, (self.wholes(count) if whole else self.parts(count))


def nearest_order(noise: Float[Tensor, "B N C"], target: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
    """Each row's noise tokens in the order that is nearest to its target's (least sum of squared distances).

    A latent is a set, and so is noise: the denoiser knows no order of tokens, so every order is as likely. This one
    spares it the guess which token becomes which (equivariant optimal transport, Klein et al. 2023).
    """
    distance = torch.cdist(target, noise).square()
    order = np.stack([linear_sum_assignment(row)[1] for row in distance.numpy()])
    return noise.take_along_dim(torch.from_numpy(order)[..., None], dim=1)


def empty_latent(vae: ShapeVae, points: int) -> Tensor:
    """Latent of the all-zero surface, which is what an empty history is."""
    with torch.no_grad():
        return vae.encode(torch.zeros(1, points, 6), torch.arange(LATENTS)[None]).mean[0]


def train_dit(
    options: RunOptions,
    *,
    pool: Path,
    held_out: Path,
    scale: float,
    empty: Tensor,
    batch: int = 64,
    seed: int = 1,
    start: Path | None = None,
    compiled: bool = False,
    guided: bool = False,
) -> None:
    """Train (or continue) the denoiser within the options' budget, from a preset's weights if one is named.

    `guided` takes guidance into the weights (`guided_target`): sampled with scales of 1, they then need one row.
    `compiled` blocks take a C++ compiler and a minute to begin, and a quarter less time from then on.
    """
    torch.manual_seed(seed)
    generator = PartGenerator()
    if start is not None:
        start_from(generator.dit, start / "dit.safetensors")
        start_from(generator.image_encoder.backbone, start / "image_encoder.safetensors")
    if compiled:
        for block in generator.dit.blocks:
            block.compile(dynamic=False)
    run = Run(generator, options)

    @torch.no_grad()
    def evaluate() -> Metrics:
        sampler = Sampler(held_out, scale=scale, empty=empty, seed=5)
        model = run.inner
        parts = [float(model(on_device(sampler.parts(64), options.device))["total"]) for _ in range(3)]
        wholes = [float(model(on_device(sampler.wholes(64), options.device))["total"]) for _ in range(2)]
        return {"held_out_parts": float(np.mean(parts)), "held_out_wholes": float(np.mean(wholes))}

    sampler = Sampler(pool, scale=scale, empty=empty, seed=seed + run.steps, rank=run.rank, guided=guided)
    run.train(sampler.batches(batch), evaluate)
