import numpy as np
import pytest
from reference import farthest_points as slow_farthest_points
from support.objects import ball, block

from apg_core.geometry.surface import sample_surface
from apg_core.geometry.values import SurfaceSampling, zero_surface
from apg_core.protocol.mesh import TriangleMesh

SMALL = SurfaceSampling(presamples=20_000, candidates=4096, points=2048, latents=128)


def test_samples_lie_on_the_faces_whose_normals_they_carry() -> None:
    surface = sample_surface(block((1.6, 1.0, 0.4)), SMALL, seed=3)
    xyz, normals = surface.points[:, :3], surface.points[:, 3:]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose((xyz * normals).sum(axis=1), np.abs(normals) @ [0.8, 0.5, 0.2], atol=1e-5)
    assert surface.points.dtype == np.float32


def test_tokens_are_farthest_among_the_points() -> None:
    surface = sample_surface(ball(0.8), SMALL, seed=0)
    first = int(surface.query_indices[0])
    assert surface.query_indices.tolist() == slow_farthest_points(surface.points[:, :3], 128, first=first)


def test_points_spread_by_area_and_evenly() -> None:
    surface = sample_surface(TriangleMesh.joined([ball(0.3, (-0.5, 0, 0)), ball(0.6, (0.4, 0, 0))]), SMALL, seed=1)
    share = (surface.points[:, 0] < -0.2).mean()
    assert share == pytest.approx(0.2, abs=0.02)


def test_a_seed_gives_one_surface() -> None:
    one, same, other = (sample_surface(ball(0.8), SMALL, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.points, same.points)
    np.testing.assert_array_equal(one.query_indices, same.query_indices)
    assert (one.points != other.points).any()


def test_zero_surface_is_nothing_but_zeros() -> None:
    surface = zero_surface(SMALL)
    assert surface.points.shape == (2048, 6)
    assert not surface.points.any()
    assert surface.query_indices.tolist() == list(range(128))
