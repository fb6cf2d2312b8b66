"""What the autoencoder is trained on: surfaces of parts, unions and wholes, and the field around them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from apg_core.geometry.farthest import farthest_points as farthest_of
from apg_core.protocol.mesh import TriangleMesh
from training.objects.batch import ObjectBatch, sample_surface, union_distance
from training.objects.meshed import MeshedObject, signed_distance, surface_of

# The field is FIELD_LIMIT * tanh(depth / FIELD_BAND): 8 / 0.1 = 80 per unit length at the surface, flat at +-8.
FIELD_LIMIT = 8.0
FIELD_BAND = 0.1


@dataclass(frozen=True, kw_only=True)
class FieldBatch:
    """Surfaces with their farthest points, and field values at query points."""

    surface: Float[Tensor, "B P 6"]
    farthest: Int[Tensor, "B N"]
    queries: Float[Tensor, "B Q 3"]
    field: Float[Tensor, "B Q"]


def field_of(distance: Tensor) -> Tensor:
    """The field that a decoder should give at a signed distance (negative inside): positive inside."""
    return -FIELD_LIMIT * torch.tanh(distance / FIELD_BAND)


def farthest_points(surface: Float[Tensor, "B P 6"], count: int, *, rng: np.random.Generator) -> Int[Tensor, "B N"]:
    """Exact farthest-point subset of each surface in the order found, from a random start."""
    starts = rng.integers(0, surface.shape[1], len(surface))
    picked = [
        farthest_of(points, count, start_idx=int(start))
        for points, start in zip(surface[..., :3].numpy(), starts, strict=True)
    ]
    return torch.from_numpy(np.stack(picked))


def even_surface(surface: Float[Tensor, "B P 6"], count: int, *, rng: np.random.Generator) -> Float[Tensor, "B M 6"]:
    """The evenly spread subset that generation encodes: farthest points of a denser random surface."""
    picked = farthest_points(surface, count, rng=rng)
    return surface.gather(1, picked[..., None].expand(-1, -1, 6))


def random_subsets(objects: ObjectBatch, *, rng: np.random.Generator) -> Bool[Tensor, "B S"]:
    """Parts of each object that make one training shape: a single part, a beginning, the whole or any subset."""
    return torch.from_numpy(_subsets(objects.part_counts.numpy(), rng))


def _subsets(counts: Int[np.ndarray, " B"], rng: np.random.Generator) -> Bool[np.ndarray, "B S"]:
    slots = np.arange(int(counts.max()))
    present = slots < counts[:, None]
    kind = rng.choice(4, len(counts), p=[0.4, 0.2, 0.3, 0.1])
    one = slots == rng.integers(0, counts)[:, None]
    beginning = slots < rng.integers(1, counts + 1)[:, None]
    some = (rng.random(present.shape) < 0.5) | one
    chosen = np.select([kind[:, None] == k for k in range(4)], [one, beginning, present, some])
    chosen_and_there: Bool[np.ndarray, "B S"] = chosen & present
    return chosen_and_there


def query_points(surface: Float[Tensor, "B P 6"], count: int, *, generator: torch.Generator) -> Float[Tensor, "B Q 3"]:
    """Points in [-1.01, 1.01]^3: 35 % hug the surface, 35 % lie around it and 30 % anywhere."""
    batch, points = surface.shape[:2]
    near = int(0.7 * count)
    picked = torch.randint(points, (batch, near), generator=generator)
    base = surface[..., :3].gather(1, picked[..., None].expand(-1, -1, 3))
    spread = torch.full((near, 1), 0.02)
    spread[near // 2 :] = 0.1
    around = base + spread * torch.randn(batch, near, 3, generator=generator)
    anywhere = torch.rand(batch, count - near, 3, generator=generator) * 2.02 - 1.01
    return torch.cat([around.clamp(-1.01, 1.01), anywhere], dim=1)


def field_batch(
    objects: ObjectBatch,
    *,
    points: int,
    latents: int,
    queries: int,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> FieldBatch:
    """One shape of each object, its surface clean or overlaid, evenly spread or random."""
    chosen = objects.members(random_subsets(objects, rng=rng))
    overlaid = torch.from_numpy(rng.random(len(objects)) < 0.4)
    even = rng.random() < 0.5
    count = points * 3 // 2 if even else points
    surface = sample_surface(objects, chosen, count=count, generator=generator, overlaid=overlaid)
    near = query_points(surface, queries, generator=generator)
    if even:
        surface = even_surface(surface, points, rng=rng)
    return FieldBatch(
        surface=surface,
        farthest=farthest_points(surface, latents, rng=rng),
        queries=near,
        field=field_of(union_distance(objects, near, chosen)),
    )


def meshed_field_batch(
    objects: Sequence[MeshedObject],
    *,
    points: int,
    latents: int,
    queries: int,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> FieldBatch:
    """`field_batch` of objects whose parts are meshes; most wholes are fused, other shapes are overlaid."""
    counts = np.array([len(each.parts) for each in objects])
    surfaces, shapes = [], []
    even = rng.random() < 0.5
    for each, chosen in zip(objects, _subsets(counts, rng), strict=True):
        fuse = chosen.sum() == len(each.parts) and rng.random() < 0.8
        shape = [each.whole] if fuse else each.subset(chosen[: len(each.parts)])
        shapes.append(shape)
        surfaces.append(surface_of(TriangleMesh.joined(shape), points * 3 // 2 if even else points, rng=rng))
    surface = torch.from_numpy(np.stack(surfaces))
    near = query_points(surface, queries, generator=generator)
    if even:
        surface = even_surface(surface, points, rng=rng)
    distance = [signed_distance(shape, places.numpy()) for shape, places in zip(shapes, near, strict=True)]
    return FieldBatch(
        surface=surface,
        farthest=farthest_points(surface, latents, rng=rng),
        queries=near,
        field=field_of(torch.from_numpy(np.stack(distance)).float()),
    )


def joined_fields(batches: Sequence[FieldBatch]) -> FieldBatch:
    """The shapes of several batches as one."""
    return FieldBatch(**{f.name: torch.cat([getattr(batch, f.name) for batch in batches]) for f in fields(FieldBatch)})
