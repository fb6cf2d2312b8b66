"""Objects prepared for the denoiser: latents of parts, beginnings and wholes, and one picture each.

Chunks of objects are files of their own, so that training starts on the first ones while more are made.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from apg_core.models.shape_vae import ShapeVae
from apg_core.protocol.mesh import TriangleMesh
from training.objects.batch import ObjectBatch, sample_surface
from training.objects.draw import draw_objects
from training.objects.families import TRAINED, Family
from training.objects.meshed import MeshedObject, picture, surface_of
from training.objects.render import part_colours, random_cameras, random_colours, render
from training.objects.source import Source
from training.precision import mixed_precision
from training.samples import even_surface
from training.sizes import LATENTS, SURFACE_POINTS, TINY_IMAGE_ENCODER

logger = logging.getLogger(__name__)

MOST_PARTS = 10
TURNED = 0.35
ENCODED_AT_ONCE = 64
DENSE = SURFACE_POINTS * 3 // 2
"""Points of a surface before it is thinned."""
OVERLAID_SHARE = 0.25
"""Share of the wholes that are shells laid over each other; the others are fused."""
MESHED_SHARE = 0.75
"""Share of the objects that come from real ones and the catalogue, where a source is given."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """O prepared objects; latents are in VAE scale and half precision."""

    parts: Float[Tensor, "O S N C"]
    """Latent of each part, in order; zero past the last."""
    beginnings: Float[Tensor, "O S N C"]
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
def _latents(vae: ShapeVae, surfaces: Float[Tensor, "B P 6"], *, rng: np.random.Generator) -> Tensor:
    """Latent means of denser surfaces, thinned as generation thins them."""
    means = []
    for some in surfaces.split(ENCODED_AT_ONCE):
        # An even surface is in farthest-point order already: its beginning is its farthest-point subset.
        even = even_surface(some, SURFACE_POINTS, rng=rng)
        with mixed_precision("cpu"):
            means.append(vae.encode(even, torch.arange(LATENTS).expand(len(even), -1)).mean.half())
    return torch.cat(means)


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Objects as surfaces to encode and pictures; rows of parts and beginnings are object by object."""

    counts: Int[Tensor, " O"]
    parts: Float[Tensor, "R P 6"]
    beginnings: Float[Tensor, "R P 6"]
    wholes: Float[Tensor, "O P 6"]
    rgb: UInt8[Tensor, "O H W 3"]
    seen: Int[Tensor, "O H W"]


def _analytic(objects: ObjectBatch, *, rng: np.random.Generator, generator: torch.Generator) -> _Drawn:
    counts = objects.part_counts
    row, index = (torch.arange(MOST_PARTS) < counts[:, None]).nonzero(as_tuple=True)
    repeated = objects[row]
    overlaid = torch.from_numpy(rng.random(len(objects)) < OVERLAID_SHARE)

    def surface(some: ObjectBatch, chosen: Tensor, over: Tensor) -> Tensor:
        return sample_surface(some, chosen, count=DENSE, generator=generator, overlaid=over)

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
    return _Drawn(
        counts=counts,
        parts=surface(repeated, repeated.part == index[:, None], torch.zeros(len(row), dtype=torch.bool)),
        beginnings=surface(
            repeated,
            (repeated.part <= index[:, None]) & (repeated.part >= 0),
            torch.ones(len(row), dtype=torch.bool),
        ),
        wholes=surface(objects, objects.kind >= 0, overlaid),
        rgb=torch.cat([picture.rgb for picture in pictures]),
        seen=torch.cat([picture.part for picture in pictures]),
    )


def _meshed(objects: Sequence[MeshedObject], *, rng: np.random.Generator) -> _Drawn:
    def surfaces(meshes: Iterable[TriangleMesh]) -> Tensor:
        return torch.from_numpy(np.stack([surface_of(mesh, DENSE, rng=rng) for mesh in meshes]))

    def joined(parts: Sequence[TriangleMesh]) -> TriangleMesh:
        return TriangleMesh.joined(list(parts))

    overlaid = rng.random(len(objects)) < OVERLAID_SHARE
    cameras, colours = random_cameras(len(objects), rng=rng), part_colours(len(objects), MOST_PARTS, rng=rng).numpy()
    pictures = [
        picture(each.parts, cameras, i, colours[i], size=TINY_IMAGE_ENCODER.input_image_size)
        for i, each in enumerate(objects)
    ]
    return _Drawn(
        counts=torch.tensor([len(each.parts) for each in objects]),
        parts=surfaces(part for each in objects for part in each.parts),
        beginnings=surfaces(joined(each.parts[: i + 1]) for each in objects for i in range(len(each.parts))),
        wholes=surfaces(
            joined(each.parts) if over else each.whole for each, over in zip(objects, overlaid, strict=True)
        ),
        rgb=torch.from_numpy(np.stack([rgb for rgb, _ in pictures])),
        seen=torch.from_numpy(np.stack([seen for _, seen in pictures])),
    )


def make_chunk(
    vae: ShapeVae, *, count: int, seed: int, source: Source | None = None, families: Mapping[str, Family] = TRAINED
) -> Chunk:
    """Draw, encode and picture `count` objects, `MESHED_SHARE` of them from the source; a seed gives one chunk."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    meshed = 0 if source is None else round(count * MESHED_SHARE)
    chunks = []
    for framed, turned in ((1, 0.0), (0, 1.0)):
        analytic, other = (
            size - int(size * TURNED) if framed else int(size * TURNED) for size in (count - meshed, meshed)
        )
        objects, _ = draw_objects(families, analytic, rng=rng, turned=turned)
        groups = [_analytic(objects, rng=rng, generator=generator)]
        if source is not None:
            drawn = [source.draw(rng, turned=turned) for _ in range(other)]
            groups.append(_meshed(drawn, rng=rng))
        chunks += [_chunk(vae, group, framed, rng) for group in groups]
    return Chunk.joined(chunks)


def _chunk(vae: ShapeVae, drawn: _Drawn, framed: int, rng: np.random.Generator) -> Chunk:
    count = len(drawn.counts)
    at = (torch.arange(MOST_PARTS) < drawn.counts[:, None]).nonzero(as_tuple=True)
    parts = torch.zeros(count, MOST_PARTS, LATENTS, vae.config.latent_channels, dtype=torch.float16)
    beginnings = parts.clone()
    parts[at] = _latents(vae, drawn.parts, rng=rng)
    beginnings[at] = _latents(vae, drawn.beginnings, rng=rng)
    return Chunk(
        parts=parts,
        beginnings=beginnings,
        whole=_latents(vae, drawn.wholes, rng=rng),
        counts=drawn.counts,
        rgb=drawn.rgb,
        seen=drawn.seen.to(torch.int8),
        framed=torch.full((count,), framed),
    )


def fill_pool(
    folder: Path,
    vae: ShapeVae,
    *,
    chunks: int,
    objects: int = 256,
    first_seed: int = 10_000,
    source: Source | None = None,
) -> None:
    """Add the chunks that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(chunks):
        path = folder / f"chunk_{index:04d}.pt"
        if not path.exists():
            make_chunk(vae, count=objects, seed=first_seed + index, source=source).save(path)
            logger.info("wrote %s", path.name)
