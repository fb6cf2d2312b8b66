"""The five closed solids that objects are made of: signed distances, surface points, areas and extents.

Every function here works on flat rows, one row a primitive in its own frame (axis y), and is vectorised.
Distances are negative inside. Posing and unions live in `batch.py`.
"""

import math
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor

Sizes = Float[Tensor, "M 5"]


class Kind(IntEnum):
    """What the five sizes of a primitive mean; all of them are lengths but the aperture."""

    BOX = 0  # half x, half y, half z, rounding
    FRUSTUM = 1  # bottom radius, top radius, half height, rounding
    ELLIPSOID = 2  # half x, half y, half z
    ARC = 3  # ring radius, tube radius, half aperture in radians about +y, in the xy plane
    TAPER = 4  # bottom half x, bottom half z, top half x, top half z, half height


def _box(p: Tensor, s: Tensor) -> Tensor:
    q = p.abs() - (s[..., :3] - s[..., 3:4])
    return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0) - s[..., 3]


def _frustum(p: Tensor, s: Tensor) -> Tensor:
    rounding = s[..., 3]
    bottom, top, half = s[..., 0] - rounding, s[..., 1] - rounding, s[..., 2] - rounding
    radius, y = torch.hypot(p[..., 0], p[..., 2]), p[..., 1]
    cap_x = radius - torch.minimum(radius, torch.where(y < 0, bottom, top))
    cap_y = y.abs() - half
    slope = top - bottom
    along = ((top - radius) * slope + (half - y) * 2 * half) / (slope**2 + 4 * half**2)
    along = along.clamp(0, 1)
    side_x, side_y = radius - top + slope * along, y - half + 2 * half * along
    inside = (side_x < 0) & (cap_y < 0)
    distance = torch.minimum(cap_x**2 + cap_y**2, side_x**2 + side_y**2).sqrt()
    return torch.where(inside, -distance, distance) - rounding


def _ellipsoid(p: Tensor, s: Tensor) -> Tensor:
    # First-order distance: exact for spheres, exact gradient on the surface of every ellipsoid.
    axes = s[..., :3]
    k0 = (p / axes).norm(dim=-1)
    k1 = (p / axes**2).norm(dim=-1).clamp(min=1e-9)
    return torch.where(k0 < 1e-4, -axes.amin(-1), k0 * (k0 - 1) / k1)


def _arc(p: Tensor, s: Tensor) -> Tensor:
    x, y = p[..., 0].abs(), p[..., 1]
    sin, cos = s[..., 2].sin(), s[..., 2].cos()
    k = torch.where(cos * x > sin * y, x * sin + y * cos, torch.hypot(x, y))
    squared = (p**2).sum(-1) + s[..., 0] ** 2 - 2 * s[..., 0] * k
    return squared.clamp(min=0).sqrt() - s[..., 1]


def _taper(p: Tensor, s: Tensor) -> Tensor:
    # Largest distance to the six planes: exact inside and above faces, an underestimate off edges.
    half = s[..., 4]
    distance = p[..., 1].abs() - half
    for axis, (bottom, top) in ((0, (s[..., 0], s[..., 2])), (2, (s[..., 1], s[..., 3]))):
        slope = (bottom - top) / (2 * half)
        middle = (bottom + top) / 2
        plane = (p[..., axis].abs() - middle + p[..., 1] * slope) / torch.sqrt(1 + slope**2)
        distance = torch.maximum(distance, plane)
    return distance


_DISTANCES = {
    Kind.BOX: _box,
    Kind.FRUSTUM: _frustum,
    Kind.ELLIPSOID: _ellipsoid,
    Kind.ARC: _arc,
    Kind.TAPER: _taper,
}


def distance(kind: Kind, points: Float[Tensor, "M Q 3"], sizes: Sizes) -> Float[Tensor, "M Q"]:
    """Signed distance of each row's points to that row's primitive, all of one kind."""
    return _DISTANCES[kind](points, sizes[:, None, :])


def mixed_distance(kinds: Int[Tensor, " M"], points: Float[Tensor, "M Q 3"], sizes: Sizes) -> Float[Tensor, "M Q"]:
    """Signed distance where every row may be of another kind."""
    result = points.new_full(points.shape[:2], math.inf)
    for kind in Kind:
        rows = (kinds == kind).nonzero()[:, 0]
        if len(rows):
            result[rows] = distance(kind, points[rows], sizes[rows])
    return result


def mixed_gradient(
    kinds: Int[Tensor, " M"], points: Float[Tensor, "M Q 3"], sizes: Sizes, *, step: float = 1e-3
) -> Float[Tensor, "M Q 3"]:
    """Unit gradient of the distance by four-point differences, which stay sane on edges and apexes."""
    signs = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    around = (points[:, :, None, :] + step * signs).flatten(1, 2)
    values = mixed_distance(kinds, around, sizes).reshape(*points.shape[:2], 4)
    return torch.nn.functional.normalize(values @ signs, dim=-1, eps=1e-9)


def area(kinds: Int[Tensor, " M"], sizes: Sizes) -> Float[Tensor, " M"]:
    """Surface area of each primitive, rounding ignored."""
    a, b, c, d, e = sizes.unbind(-1)
    slant = torch.hypot(a - b, 2 * c)
    power = 1.6075  # Thomsen's formula: within 1.1 % for every ellipsoid
    ellipsoid = 4 * math.pi * (((a * b) ** power + (a * c) ** power + (b * c) ** power) / 3) ** (1 / power)
    side_z = (a + c) * torch.hypot(2 * e, b - d)
    side_x = (b + d) * torch.hypot(2 * e, a - c)
    areas = torch.stack(
        [
            8 * (a * b + b * c + a * c),
            math.pi * (a**2 + b**2 + (a + b) * slant),
            ellipsoid,
            4 * math.pi * a * b * c + 4 * math.pi * b**2,
            4 * a * b + 4 * c * d + 2 * side_z + 2 * side_x,
        ],
        dim=-1,
    )
    return areas.gather(-1, kinds.long()[..., None])[..., 0]


def _pick(weights: Tensor, generator: torch.Generator) -> Tensor:
    return torch.multinomial(weights.clamp(min=0), 1, generator=generator)[:, 0]


def surface_points(
    kinds: Int[Tensor, " M"], sizes: Sizes, *, generator: torch.Generator
) -> tuple[Float[Tensor, "M 3"], Float[Tensor, " M"]]:
    """One random point on each primitive's surface, and the probability to keep it for a uniform density."""
    m = len(kinds)
    points = sizes.new_zeros(m, 3)
    keep = sizes.new_ones(m)
    u = torch.rand(m, 3, generator=generator)
    direction = torch.nn.functional.normalize(torch.randn(m, 3, generator=generator), dim=-1)
    for kind in Kind:
        rows = (kinds == kind).nonzero()[:, 0]
        if not len(rows):
            continue
        s, v, w = sizes[rows], u[rows], direction[rows]
        sign = torch.where(v[:, 2] < 0.5, -1.0, 1.0)
        if kind is Kind.BOX:
            faces = torch.stack([s[:, 1] * s[:, 2], s[:, 0] * s[:, 2], s[:, 0] * s[:, 1]], -1)
            axis = _pick(faces, generator)
            local = torch.cat([v[:, :2] * 2 - 1, v[:, :1]], -1)
            local[:, 2] = torch.rand(len(rows), generator=generator) * 2 - 1
            local.scatter_(1, axis[:, None], sign[:, None])
            points[rows] = local * s[:, :3]
        elif kind is Kind.FRUSTUM:
            bottom, top, half = s[:, 0], s[:, 1], s[:, 2]
            side = (bottom + top) * torch.hypot(bottom - top, 2 * half)
            face = _pick(torch.stack([bottom**2, top**2, side], -1), generator)
            angle = v[:, 0] * 2 * math.pi
            # The side's radius has a linear density: invert its cumulative (r^2 is uniform).
            squared = bottom**2 + v[:, 1] * (top**2 - bottom**2)
            slope = top - bottom
            steep = slope.abs() > 1e-4
            along = torch.where(steep, (squared.sqrt() - bottom) / torch.where(steep, slope, 1.0), v[:, 1])
            disc = v[:, 1].sqrt()
            radius = torch.where(face == 0, bottom * disc, top * disc)
            radius = torch.where(face == 2, bottom + slope * along, radius)
            y = torch.where(face == 2, (2 * along - 1) * half, torch.where(face == 0, -half, half))
            points[rows] = torch.stack([radius * angle.cos(), y, radius * angle.sin()], -1)
        elif kind is Kind.ELLIPSOID:
            axes = s[:, :3]
            points[rows] = w * axes
            stretch = (w / axes).norm(dim=-1)
            keep[rows] = stretch * axes.amin(-1)
        elif kind is Kind.ARC:
            ring, tube, aperture = s[:, 0], s[:, 1], s[:, 2]
            open_ring = aperture < math.pi - 1e-3
            is_cap = (v[:, 0] * (ring * aperture + tube) < tube) & open_ring
            angle = torch.where(is_cap, aperture * sign, (v[:, 1] * 2 - 1) * aperture)
            out = torch.stack([angle.sin(), angle.cos(), torch.zeros_like(angle)], -1)
            tangent = torch.stack([angle.cos(), -angle.sin(), torch.zeros_like(angle)], -1) * sign[:, None]
            turn = torch.rand(len(rows), generator=generator) * 2 * math.pi
            section = out * turn.cos()[:, None] + turn.sin()[:, None] * out.new_tensor([0.0, 0.0, 1.0])
            ball = w * torch.where((w * tangent).sum(-1, keepdim=True) < 0, -1.0, 1.0)
            offset = torch.where(is_cap[:, None], ball, section)
            points[rows] = out * ring[:, None] + offset * tube[:, None]
            keep[rows] = torch.where(is_cap, 1.0, (ring + tube * turn.cos()) / (ring + tube))
        else:
            bx, bz, tx, tz, half = s.unbind(-1)
            slant_z, slant_x = torch.hypot(2 * half, bz - tz), torch.hypot(2 * half, bx - tx)
            weights = [4 * bx * bz, 4 * tx * tz, 2 * (bx + tx) * slant_z, 2 * (bz + tz) * slant_x]
            face = _pick(torch.stack(weights, -1), generator)
            wide = torch.where(face == 2, bx, bz)
            narrow = torch.where(face == 2, tx, tz)
            squared = wide**2 + v[:, 1] * (narrow**2 - wide**2)
            slope = narrow - wide
            steep = slope.abs() > 1e-4
            along = torch.where(steep, (squared.sqrt() - wide) / torch.where(steep, slope, 1.0), v[:, 1])
            along = torch.where(face == 0, 0.0, torch.where(face == 1, 1.0, along))
            half_x, half_z = bx + (tx - bx) * along, bz + (tz - bz) * along
            free = torch.rand(len(rows), 2, generator=generator) * 2 - 1
            x = torch.where(face == 3, sign, free[:, 0]) * half_x
            z = torch.where(face == 2, sign, free[:, 1]) * half_z
            points[rows] = torch.stack([x, (2 * along - 1) * half, z], -1)
    return points, keep


def extent(kind: Kind, sizes: Sizes, direction: Float[Tensor, "M 3"]) -> Float[Tensor, " M"]:
    """Support function: how far the primitive reaches along a unit direction of its own frame."""
    x, y, z = direction.unbind(-1)
    a, b, c, d, e = sizes.unbind(-1)
    across = torch.hypot(x, z)
    if kind is Kind.BOX:
        return (direction.abs() * (sizes[:, :3] - d[:, None])).sum(-1) + d
    if kind is Kind.FRUSTUM:
        return torch.maximum((b - d) * across + (c - d) * y, (a - d) * across - (c - d) * y) + d
    if kind is Kind.ELLIPSOID:
        return (direction * sizes[:, :3]).norm(dim=-1)
    if kind is Kind.ARC:
        toward = torch.atan2(x, y).abs()
        return a * torch.hypot(x, y) * torch.cos((toward - c).clamp(min=0)) + b
    return torch.maximum(c * x.abs() + d * z.abs() + e * y, a * x.abs() + b * z.abs() - e * y)
