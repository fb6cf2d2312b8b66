"""Pictures of objects by sphere tracing: shaded colours on white, and the part seen at each pixel.

The camera frames the object as generation prepares its images: the longer side of the silhouette fills
1 / 1.2 of a square picture.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from training.objects.batch import ObjectBatch, distances, sample_surface
from training.objects.primitives import mixed_gradient

FRAME_MARGIN = 1.2  # the silhouette's box is widened by this, as image preparation does
HIT = 2e-3
STEPS = 48
# Ellipsoid distances can overestimate a little; shorter steps keep rays from passing through.
STEP_SHARE = 0.92


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """One camera an object, looking at the origin; angles in radians, distance in object units."""

    azimuth: Float[Tensor, " B"]
    """About +y from the front (+z); positive sees more of the object's +x side."""
    elevation: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]

    def axes(self) -> Float[Tensor, "B 3 3"]:
        """Rows: right, up, toward the camera."""
        ca, sa, ce, se = self.azimuth.cos(), self.azimuth.sin(), self.elevation.cos(), self.elevation.sin()
        zero = torch.zeros_like(ca)
        right = torch.stack([ca, zero, -sa], -1)
        up = torch.stack([-sa * se, ce, -ca * se], -1)
        back = torch.stack([sa * ce, se, ca * ce], -1)
        return torch.stack([right, up, back], dim=1)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Square pictures of a batch."""

    rgb: UInt8[Tensor, "B H W 3"]
    """On white."""
    part: Int[Tensor, "B H W"]
    """Part index seen at each pixel, -1 on the background."""


def random_cameras(count: int, *, rng: np.random.Generator) -> Cameras:
    """Cameras within 60 degrees of the front, most of them near it, a little above the object."""
    azimuth = np.clip(rng.normal(0, 25, count), -60, 60)
    elevation = rng.uniform(0, 30, count)
    return Cameras(
        azimuth=torch.from_numpy(np.radians(azimuth)).float(),
        elevation=torch.from_numpy(np.radians(elevation)).float(),
        distance=torch.from_numpy(rng.uniform(3.5, 6.0, count)).float(),
    )


def random_colours(objects: ObjectBatch, *, rng: np.random.Generator) -> Float[Tensor, "B S 3"]:
    """A colour for each part; some objects are of one colour, some grey."""
    return part_colours(len(objects), int(objects.part_counts.max()), rng=rng)


def part_colours(batch: int, parts: int, *, rng: np.random.Generator) -> Float[Tensor, "B S 3"]:
    """Colours for that many parts of each of a batch of objects."""
    hue = rng.random((batch, parts, 1))
    hue = np.where(rng.random((batch, 1, 1)) < 0.3, hue[:, :1], hue)
    saturation = np.where(rng.random((batch, 1, 1)) < 0.15, 0.0, rng.uniform(0.1, 0.9, (batch, parts, 1)))
    value = rng.uniform(0.4, 1.0, (batch, parts, 1))
    wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return torch.from_numpy(value * (1 - saturation * (1 - wheel))).float()


@torch.no_grad()
def render(
    objects: ObjectBatch,
    cameras: Cameras,
    colours: Float[Tensor, "B S 3"],
    *,
    size: int,
    generator: torch.Generator,
) -> Pictures:
    """Trace one ray a pixel; light comes from above and the camera's side."""
    batch = len(objects)
    chosen = objects.kind >= 0
    axes = cameras.axes()
    eye = axes[:, 2] * cameras.distance[:, None]
    points = sample_surface(objects, chosen, count=384, generator=generator)[..., :3]
    seen = (points - eye[:, None]) @ axes.transpose(1, 2)
    plane = seen[..., :2] / -seen[..., 2:]
    low, high = plane.amin(1), plane.amax(1)
    half = FRAME_MARGIN / 2 * (high - low).amax(-1)
    steps = (torch.arange(size) + 0.5) / size * 2 - 1
    rows, columns = torch.meshgrid(-steps, steps, indexing="ij")
    grid = torch.stack([columns, rows], -1).view(1, -1, 2) * half[:, None, None] + ((low + high) / 2)[:, None]
    rays = torch.nn.functional.normalize(torch.cat([grid, -torch.ones(batch, size * size, 1)], -1) @ axes, dim=-1)

    reach = math.sqrt(3)
    travelled = (cameras.distance - reach)[:, None].expand(-1, size * size).clone()
    gap = torch.full((batch, size * size), math.inf)
    nearest = torch.zeros(batch, size * size, dtype=torch.long)
    limit = (cameras.distance + reach)[:, None]
    for _ in range(STEPS):
        active = (gap > HIT) & (travelled < limit)
        count = int(active.sum(1).max())
        if count == 0:
            break
        index = (~active).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
        along = travelled.gather(1, index)
        ray = rays.gather(1, index[..., None].expand(-1, -1, 3))
        closest, solid = distances(objects, eye[:, None] + along[..., None] * ray, chosen).min(1)
        gap.scatter_(1, index, closest)
        nearest.scatter_(1, index, solid)
        advance = torch.where(active.gather(1, index) & (closest > HIT), closest * STEP_SHARE, 0.0)
        travelled.scatter_(1, index, along + advance)

    hit = gap <= HIT
    owner, pixel = hit.nonzero(as_tuple=True)
    solid = nearest[owner, pixel]
    position = eye[owner] + travelled[owner, pixel][:, None] * rays[owner, pixel]
    rotation = objects.rotation[owner, solid]
    local = torch.einsum("mj,mji->mi", position - objects.center[owner, solid], rotation)
    normal = mixed_gradient(objects.kind[owner, solid], local[:, None], objects.sizes[owner, solid])[:, 0]
    normal = torch.einsum("mij,mj->mi", rotation, normal)
    light = axes[:, 2] + 0.6 * axes[:, 0] + torch.tensor([0.0, 1.0, 0.0])
    light = torch.nn.functional.normalize(light, dim=-1)[owner]
    shade = 0.45 + 0.55 * (normal * light).sum(-1).clamp(min=0)
    rgb = torch.ones(batch, size * size, 3)
    part = torch.full((batch, size * size), -1)
    part[owner, pixel] = objects.part[owner, solid]
    rgb[owner, pixel] = colours[owner, part[owner, pixel]] * shade[:, None]
    return Pictures(
        rgb=(rgb * 255).round().to(torch.uint8).view(batch, size, size, 3), part=part.view(batch, size, size)
    )
