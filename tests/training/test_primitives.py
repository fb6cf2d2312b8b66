"""Solids against closed forms: distances, gradients, surfaces, areas, extents."""

import math

import pytest
import torch

from training.objects.primitives import (
    Kind,
    area,
    distance,
    extent,
    mixed_distance,
    mixed_gradient,
    surface_points,
)

SIZES = {
    Kind.BOX: (0.4, 0.3, 0.2, 0.05, 0.0),
    Kind.FRUSTUM: (0.4, 0.2, 0.5, 0.0, 0.0),
    Kind.ELLIPSOID: (0.5, 0.4, 0.3, 0.0, 0.0),
    Kind.ARC: (0.6, 0.1, 1.2, 0.0, 0.0),
    Kind.TAPER: (0.5, 0.4, 0.3, 0.1, 0.4),
}


def _sizes(kind: Kind, count: int) -> torch.Tensor:
    return torch.tensor([SIZES[kind]]).expand(count, 5)


def test_distance_to_a_sphere_is_the_radius_difference() -> None:
    points = torch.randn(1, 500, 3)
    sphere = torch.tensor([[0.7, 0.7, 0.7, 0.0, 0.0]])
    torch.testing.assert_close(
        distance(Kind.ELLIPSOID, points, sphere)[0], points[0].norm(dim=-1) - 0.7, atol=1e-5, rtol=0
    )


def test_distance_to_a_full_ring_is_that_of_a_torus() -> None:
    points = torch.randn(1, 500, 3)
    ring = torch.tensor([[0.6, 0.1, math.pi, 0.0, 0.0]])
    around = torch.hypot(points[0, :, 0], points[0, :, 1]) - 0.6
    expected = torch.hypot(around, points[0, :, 2]) - 0.1
    torch.testing.assert_close(distance(Kind.ARC, points, ring)[0], expected, atol=1e-4, rtol=0)


def test_distance_to_a_cylinder_is_that_to_its_side_and_caps() -> None:
    points = torch.randn(1, 500, 3)
    cylinder = torch.tensor([[0.3, 0.3, 0.5, 0.0, 0.0]])
    side, cap = torch.hypot(points[0, :, 0], points[0, :, 2]) - 0.3, points[0, :, 1].abs() - 0.5
    outside = torch.hypot(side.clamp(min=0), cap.clamp(min=0))
    expected = torch.where((side < 0) & (cap < 0), torch.maximum(side, cap), outside)
    torch.testing.assert_close(distance(Kind.FRUSTUM, points, cylinder)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [Kind.BOX, Kind.FRUSTUM, Kind.ARC])
def test_exact_distances_have_a_gradient_of_length_one(kind: Kind) -> None:
    points = (torch.randn(1, 400, 3) * 0.8).requires_grad_()
    values = distance(kind, points, _sizes(kind, 1))
    (gradient,) = torch.autograd.grad(values.sum(), points)
    lengths = gradient[0].norm(dim=-1)
    assert (lengths - 1).abs().quantile(0.98) < 1e-3


@pytest.mark.parametrize("kind", list(Kind))
def test_surface_points_lie_on_the_surface(kind: Kind) -> None:
    sizes = _sizes(kind, 1000).clone()
    sizes[:, 3] = 0.0 if kind is Kind.BOX else sizes[:, 3]
    kinds = torch.full((1000,), int(kind))
    points, keep = surface_points(kinds, sizes, generator=torch.Generator().manual_seed(0))
    assert mixed_distance(kinds, points[:, None], sizes).abs().max() < 1e-4
    assert ((keep > 0) & (keep <= 1 + 1e-6)).all()


@pytest.mark.parametrize("kind", list(Kind))
def test_the_field_falls_along_the_inward_normal(kind: Kind) -> None:
    sizes, kinds = _sizes(kind, 500), torch.full((500,), int(kind))
    points, _ = surface_points(kinds, sizes, generator=torch.Generator().manual_seed(0))
    normals = mixed_gradient(kinds, points[:, None], sizes)[:, 0]
    outer = mixed_distance(kinds, (points + 0.01 * normals)[:, None], sizes)
    inner = mixed_distance(kinds, (points - 0.01 * normals)[:, None], sizes)
    # Within a step of an edge the far side of the solid is the nearer one.
    assert ((outer - inner) > 0.01).float().mean() > 0.97


def test_area_of_a_sphere_a_cube_and_a_torus() -> None:
    kinds = torch.tensor([int(Kind.ELLIPSOID), int(Kind.BOX), int(Kind.ARC)])
    sizes = torch.tensor([[0.5, 0.5, 0.5, 0, 0], [0.5, 0.5, 0.5, 0, 0], [0.6, 0.1, math.pi, 0, 0]])
    exact = torch.tensor([math.pi, 6.0, 4 * math.pi**2 * 0.06])
    # An arc is counted with its two round ends, which a closed ring hides.
    torch.testing.assert_close(area(kinds, sizes)[:2], exact[:2], atol=1e-4, rtol=0)
    assert area(kinds, sizes)[2] == pytest.approx(float(exact[2]) + 4 * math.pi * 0.01, rel=1e-4)


@pytest.mark.parametrize("kind", list(Kind))
def test_extent_is_the_farthest_reach_of_the_surface(kind: Kind) -> None:
    sizes, kinds = _sizes(kind, 20_000).clone(), torch.full((20_000,), int(kind))
    sizes[:, 3] = 0.0 if kind is Kind.BOX else sizes[:, 3]
    points, _ = surface_points(kinds, sizes, generator=torch.Generator().manual_seed(0))
    for direction in torch.nn.functional.normalize(torch.randn(6, 3), dim=-1):
        reach = float(extent(kind, sizes[:1], direction[None])[0])
        seen = float((points @ direction).max())
        assert seen <= reach + 1e-4
        assert seen == pytest.approx(reach, abs=0.03)
