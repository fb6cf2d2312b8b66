"""Many objects as padded tensors: normalised poses, part order, distances and surfaces of any subset."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from training.objects.primitives import (
    Kind,
    Sizes,
    area,
    extent,
    mixed_distance,
    mixed_gradient,
    surface_points,
)
from training.objects.sketch import Parts, turn

# Bottoms this close (in the normalised cube) count as one height, so that four legs sort left to right.
SAME_HEIGHT = 0.06

# Surface candidates further than this from their solid (acute rounded edges, where the step overshoots) go.
MISSED = 5e-4


@dataclass(frozen=True, kw_only=True)
class ObjectBatch:
    """B objects of at most K primitives, y up, centred, largest |coordinate| 1; parts in canonical order."""

    kind: Int[Tensor, "B K"]
    """Primitive kind, -1 where padded."""
    center: Float[Tensor, "B K 3"]
    rotation: Float[Tensor, "B K 3 3"]
    """Local to object: columns are the primitive's axes."""
    sizes: Float[Tensor, "B K 5"]
    part: Int[Tensor, "B K"]
    """Part index of each primitive, bottom first, then left first; -1 where padded."""

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def part_counts(self) -> Int[Tensor, " B"]:
        return self.part.amax(1) + 1

    def __getitem__(self, rows: Tensor | slice) -> "ObjectBatch":
        return ObjectBatch(
            kind=self.kind[rows],
            center=self.center[rows],
            rotation=self.rotation[rows],
            sizes=self.sizes[rows],
            part=self.part[rows],
        )

    def members(self, parts: Bool[Tensor, "B S"]) -> Bool[Tensor, "B K"]:
        """Which primitives belong to the chosen parts."""
        return parts.gather(1, self.part.clamp(min=0).long()) & (self.kind >= 0)


def _world_extent(batch_kind: Tensor, rotation: Tensor, sizes: Sizes, direction: Tensor) -> Tensor:
    local = torch.einsum("mji,j->mi", rotation, direction)
    result = sizes.new_zeros(len(sizes))
    for kind in Kind:
        rows = (batch_kind == kind).nonzero()[:, 0]
        if len(rows):
            result[rows] = extent(kind, sizes[rows], local[rows])
    return result


def assemble(sketches: list[Parts], yaws: list[float]) -> ObjectBatch:
    """Pose sketches about the vertical, normalise them and put their parts in order.

    Yaw is in radians about +y; 0 keeps the family's front toward +z.
    """
    rows = [(b, i, solid) for b, parts in enumerate(sketches) for i, part in enumerate(parts) for solid in part]
    owner = torch.tensor([b for b, _, _ in rows])
    part = torch.tensor([i for _, i, _ in rows])
    kind = torch.tensor([int(solid.kind) for _, _, solid in rows])
    sizes = torch.tensor(np.array([solid.sizes for _, _, solid in rows]), dtype=torch.float32)
    turns = torch.tensor(np.array([turn(y=yaw) for yaw in yaws]), dtype=torch.float32)[owner]
    center = torch.tensor(np.array([solid.center for _, _, solid in rows]), dtype=torch.float32)
    rotation = torch.tensor(np.array([solid.rotation for _, _, solid in rows]), dtype=torch.float32)
    center = torch.einsum("mij,mj->mi", turns, center)
    rotation = turns @ rotation

    axes = torch.eye(3)
    high = center + torch.stack([_world_extent(kind, rotation, sizes, axis) for axis in axes], -1)
    low = center - torch.stack([_world_extent(kind, rotation, sizes, -axis) for axis in axes], -1)
    count = len(sketches)
    top = _reduce(high, owner, count, "amax")
    bottom = _reduce(low, owner, count, "amin")
    middle = (top + bottom) / 2
    scale = 2 / (top - bottom).amax(-1)
    center = (center - middle[owner]) * scale[owner, None]
    low = (low - middle[owner]) * scale[owner, None]
    lengths = torch.ones(len(rows), 5) * scale[owner, None]
    lengths[:, 2] = torch.where(kind == Kind.ARC, 1.0, lengths[:, 2])  # an aperture does not scale
    sizes = sizes * lengths

    most_parts = max(len(parts) for parts in sketches)
    part_low = _reduce(low, owner * most_parts + part, count * most_parts, "amin").view(count, most_parts, 3)
    height = (part_low[..., 1] / SAME_HEIGHT).round()
    left = part_low[..., 0]
    key = height * 100 + left  # |left| <= 1, absent parts are +inf and sort last
    rank = key.argsort(dim=1, stable=True).argsort(1)

    widest = int(torch.bincount(owner).max())
    slot = torch.tensor([k for parts in sketches for k in range(sum(map(len, parts)))])
    shape = (count, widest)
    batch = ObjectBatch(
        kind=torch.full(shape, -1),
        center=torch.zeros(*shape, 3),
        rotation=torch.eye(3).expand(*shape, 3, 3).clone(),
        sizes=torch.ones(*shape, 5),
        part=torch.full(shape, -1),
    )
    for target, value in (
        (batch.kind, kind),
        (batch.center, center),
        (batch.rotation, rotation),
        (batch.sizes, sizes),
        (batch.part, rank[owner, part]),
    ):
        target[owner, slot] = value
    return batch


def _reduce(values: Tensor, index: Tensor, count: int, how: str) -> Tensor:
    start = -math.inf if how == "amax" else math.inf
    out = values.new_full((count, values.shape[-1]), start)
    return out.scatter_reduce(0, index[:, None].expand_as(values), values, how)


def distances(
    objects: ObjectBatch, points: Float[Tensor, "B Q 3"], chosen: Bool[Tensor, "B K"]
) -> Float[Tensor, "B K Q"]:
    """Signed distance of every point to every chosen primitive, negative inside; +inf where not chosen."""
    owner, slot = (chosen & (objects.kind >= 0)).nonzero(as_tuple=True)
    offset = points[owner] - objects.center[owner, slot][:, None]
    local = offset @ objects.rotation[owner, slot]
    values = points.new_full((len(objects), objects.kind.shape[1], points.shape[1]), math.inf)
    values[owner, slot] = mixed_distance(objects.kind[owner, slot], local, objects.sizes[owner, slot])
    return values


def union_distance(
    objects: ObjectBatch, points: Float[Tensor, "B Q 3"], chosen: Bool[Tensor, "B K"]
) -> Float[Tensor, "B Q"]:
    """Signed distance to the union of the chosen primitives (a lower bound inside overlaps)."""
    return distances(objects, points, chosen).amin(1)


def sample_surface(
    objects: ObjectBatch,
    chosen: Bool[Tensor, "B K"],
    *,
    count: int,
    generator: torch.Generator,
    overlaid: Bool[Tensor, " B"] | None = None,
    oversample: float = 2.0,
) -> Float[Tensor, "B P 6"]:
    """Uniform surface points and outward unit normals of the union of the chosen primitives.

    Points that another chosen primitive covers are removed, but for objects marked `overlaid`, whose
    inner faces are kept (as in real meshes made of overlapping shells). Where too few points survive,
    survivors repeat.
    """
    batch, tries = len(objects), int(count * oversample)
    flat_sizes = objects.sizes.flatten(0, 1)
    areas = area(objects.kind.clamp(min=0).flatten(), flat_sizes).view(batch, -1)
    slot = torch.multinomial(areas * chosen, tries, replacement=True, generator=generator)
    index = (slot + torch.arange(batch)[:, None] * objects.kind.shape[1]).flatten()
    kinds, sizes = objects.kind.flatten()[index], flat_sizes[index]
    local, keep = surface_points(kinds, sizes, generator=generator)
    rounded = ((kinds <= Kind.FRUSTUM) & (sizes[:, 3] > 0)).nonzero()[:, 0]
    # One Newton step puts points of rounded solids on the rounded surface.
    near, near_kinds, near_sizes = local[rounded, None], kinds[rounded], sizes[rounded]
    step = mixed_gradient(near_kinds, near, near_sizes) * mixed_distance(near_kinds, near, near_sizes)[..., None]
    local[rounded] -= step[:, 0]
    normal = mixed_gradient(kinds, local[:, None], sizes)[:, 0]
    astray = mixed_distance(kinds, local[:, None], sizes)[:, 0].abs() > MISSED
    keep = keep.masked_fill(astray, 0.0)
    rotation = objects.rotation.flatten(0, 1)[index]
    world = torch.einsum("mij,mj->mi", rotation, local) + objects.center.flatten(0, 1)[index]
    world = world.view(batch, tries, 3)
    normal = torch.einsum("mij,mj->mi", rotation, normal).view(batch, tries, 3)

    good = torch.rand(len(index), generator=generator).view(batch, tries) < keep.view(batch, tries)
    others = distances(objects, world, chosen).scatter(1, slot[:, None], math.inf).amin(1)
    clean = others > -1e-4
    if overlaid is not None:
        clean |= overlaid[:, None]
    good &= clean
    order = (~good).to(torch.uint8).argsort(dim=1, stable=True)
    survivors = good.sum(1, keepdim=True).clamp(min=1)
    taken = order.gather(1, torch.arange(count).expand(batch, -1) % survivors)
    points = torch.cat([world, normal], -1)
    return points.gather(1, taken[..., None].expand(-1, -1, 6))
