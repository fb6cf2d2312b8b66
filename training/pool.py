"""Objects prepared for the denoiser: latents of parts, beginnings and wholes, and one picture each.

Chunks of objects are files of their own, so that training starts on the first ones while more are made.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from apg_core.models.shape_vae import ShapeVae
from training.objects.batch import ObjectBatch, sample_surface
from training.objects.draw import draw_objects
from training.objects.families import TRAINED, Family
from training.objects.render import random_cameras, random_colours, render
from training.samples import even_surface
from training.sizes import LATENTS, SURFACE_POINTS, TINY_IMAGE_ENCODER

logger = logging.getLogger(__name__)

MOST_PARTS = 8
TURNED = 0.35
ENCODED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """O prepared objects; latents are in VAE scale and half precision."""

    parts: Float[Tensor, "O 8 N C"]
    """Latent of each part, in order; zero past the last."""
    beginnings: Float[Tensor, "O 8 N C"]
    """Latent of the first i + 1 parts laid over each other, as a history is."""
    whole: Float[Tensor, "O N C"]
    """Latent of the whole, from a clean or an overlaid surface."""
    counts: Int[Tensor, " O"]
    rgb: UInt8[Tensor, "O H W 3"]
    seen: Int[Tensor, "O H W"]
    """Part at each pixel, -1 on the background."""
    framed: Int[Tensor, " O"]
    """1 where the object faces the front, so that a picture determines its pose."""

    @staticmethod
    def joined(chunks: list["Chunk"]) -> "Chunk":
        """All objects of several chunks."""
        return Chunk(**{f.name: torch.cat([getattr(chunk, f.name) for chunk in chunks]) for f in fields(Chunk)})

    def save(self, path: Path) -> None:
        """Write to a temporary name, then put in place."""
        temporary = path.with_suffix(".tmp")
        torch.save({f.name: getattr(self, f.name) for f in fields(self)}, temporary)
        temporary.rename(path)

    @staticmethod
    def load(path: Path) -> "Chunk":
        """Read what `save` wrote."""
        return Chunk(**torch.load(path, weights_only=True))


@torch.no_grad()
def _encode(
    vae: ShapeVae,
    objects: ObjectBatch,
    chosen: Tensor,
    overlaid: Tensor,
    *,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    means = []
    for start in range(0, len(objects), ENCODED_AT_ONCE):
        rows = slice(start, start + ENCODED_AT_ONCE)
        surface = sample_surface(
            objects[rows],
            chosen[rows],
            count=SURFACE_POINTS * 3 // 2,
            generator=generator,
            overlaid=overlaid[rows],
        )
        surface = even_surface(surface, SURFACE_POINTS, rng=rng)
        # An even surface is in farthest-point order already: its beginning is its farthest-point subset.
        farthest = torch.arange(LATENTS).expand(len(surface), -1)
        with torch.autocast("cpu", torch.bfloat16):
            means.append(vae.encode(surface, farthest).mean.half())
    return torch.cat(means)


def make_chunk(vae: ShapeVae, *, count: int, seed: int, families: Mapping[str, Family] = TRAINED) -> Chunk:
    """Draw, encode and picture `count` objects; a fixed seed gives the same chunk."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    front = int(count * (1 - TURNED))
    groups = [
        draw_objects(families, size, rng=rng, turned=turned)[0] for size, turned in ((front, 0.0), (count - front, 1.0))
    ]
    chunks = []
    for objects, framed in zip(groups, (1, 0), strict=True):
        counts = objects.part_counts
        slots = torch.arange(MOST_PARTS)
        row, index = (slots < counts[:, None]).nonzero(as_tuple=True)
        parts = torch.zeros(len(objects), MOST_PARTS, LATENTS, vae.config.latent_channels, dtype=torch.float16)
        beginnings = parts.clone()
        repeated = objects[row]
        one = repeated.part == index[:, None]
        first = (repeated.part <= index[:, None]) & (repeated.part >= 0)
        clean, overlaid = torch.zeros(len(row), dtype=torch.bool), torch.ones(len(row), dtype=torch.bool)
        parts[row, index] = _encode(vae, repeated, one, clean, rng=rng, generator=generator)
        beginnings[row, index] = _encode(vae, repeated, first, overlaid, rng=rng, generator=generator)
        mixed = torch.from_numpy(rng.random(len(objects)) < 0.6)
        whole = _encode(vae, objects, objects.kind >= 0, mixed, rng=rng, generator=generator)
        pictures = [
            render(
                objects[rows],
                random_cameras(len(counts[rows]), rng=rng),
                random_colours(objects[rows], rng=rng),
                size=TINY_IMAGE_ENCODER.input_image_size,
                generator=generator,
            )
            for rows in (slice(start, start + 16) for start in range(0, len(objects), 16))
        ]
        chunks.append(
            Chunk(
                parts=parts,
                beginnings=beginnings,
                whole=whole,
                counts=counts,
                rgb=torch.cat([picture.rgb for picture in pictures]),
                seen=torch.cat([picture.part for picture in pictures]).to(torch.int8),
                framed=torch.full((len(objects),), framed),
            )
        )
    return Chunk.joined(chunks)


def fill_pool(folder: Path, vae: ShapeVae, *, chunks: int, objects: int = 256, first_seed: int = 10_000) -> None:
    """Add the chunks that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(chunks):
        path = folder / f"chunk_{index:04d}.pt"
        if not path.exists():
            make_chunk(vae, count=objects, seed=first_seed + index).save(path)
            logger.info("wrote %s", path.name)
