import pickle

import numpy as np
import pytest
from reference import crossed_cells, dense_surface, dense_values, solid, symmetric_chamfer
from support.fields import PROFILES, VOXEL_256, box, shapes, small_spheres, sphere, union

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.isosurface import extract_surface

SHAPES = list(shapes(1.0))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", SHAPES)
def test_band_is_exactly_the_cells_that_dense_evaluation_finds(shape: str, profile: str) -> None:
    grid = Grid(64)
    field = PROFILES[profile](shapes(grid.spacing)[shape])
    band, dense = narrow_band(field, grid, coarse=16), dense_values(field, grid)
    np.testing.assert_array_equal(band.cells, crossed_cells(dense))
    np.testing.assert_array_equal(band.values > 0, dense.reshape(-1)[band.corners] > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_surface_equals_the_dense_one(shape: str) -> None:
    grid = Grid(64)
    field = PROFILES["clamped"](shapes(grid.spacing)[shape])
    ours, dense = extract_surface(narrow_band(field, grid)), dense_surface(dense_values(field, grid), grid)
    assert symmetric_chamfer(ours, dense) < 0.1 * grid.spacing
    assert solid(ours).body_count == solid(dense).body_count
    assert solid(ours).is_watertight


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", SHAPES)
def test_band_needs_a_tenth_of_the_queries_of_half_the_resolution(shape: str, profile: str) -> None:
    band = narrow_band(PROFILES[profile](shapes(VOXEL_256)[shape]), Grid(256))
    assert band.queries <= 128**3 / 10
    assert len(pickle.dumps(band)) < 8e6


def test_a_field_that_is_felt_from_afar_needs_few_queries() -> None:
    grid = Grid(128)
    part = union(sphere(0.5, (0.3, 0.2, -0.1)), sphere(1.6 * grid.spacing, (-0.6, -0.5, 0.4)))

    def field(points: np.ndarray) -> np.ndarray:
        return 8 * np.tanh(part(points) / 0.1)

    band = narrow_band(field, grid)
    np.testing.assert_array_equal(band.cells, crossed_cells(dense_values(field, grid)))
    assert band.queries < 128**3 / 50


@pytest.mark.parametrize("profile", PROFILES)
def test_components_of_three_voxels_survive(profile: str) -> None:
    spheres = small_spheres(np.full(10, 1.6 * VOXEL_256))
    surface = extract_surface(narrow_band(PROFILES[profile](spheres), Grid(256)))
    assert solid(surface).body_count == 10


def test_a_field_is_queried_at_lattice_points_once_each() -> None:
    grid, asked = Grid(64), []

    def field(points: np.ndarray) -> np.ndarray:
        asked.append(points)
        return sphere(0.5)(points)

    band = narrow_band(field, grid)
    points = np.concatenate(asked)
    steps = (points - grid.low) / grid.spacing
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert len(np.unique(np.round(steps), axis=0)) == len(points) == band.queries


def test_queries_grow_with_the_surface_and_not_the_volume() -> None:
    field = PROFILES["clamped"](sphere(0.5))
    small, large = (narrow_band(field, Grid(size)) for size in (128, 256))
    assert len(large.cells) / len(small.cells) == pytest.approx(4, rel=0.05)
    assert large.queries / small.queries < 4


def test_outside_everywhere_is_an_empty_band() -> None:
    band = narrow_band(lambda points: np.full(len(points), -8.0), Grid(64))
    assert band.is_empty
    assert extract_surface(band).is_empty


@pytest.mark.parametrize("field", [sphere(0.6, (0.7, 0.7, 0)), box((2.0, 0.3, 2.0)), lambda p: np.full(len(p), 8.0)])
def test_what_reaches_the_border_is_closed_there(field) -> None:
    surface = extract_surface(narrow_band(field, Grid(64)))
    assert solid(surface).is_watertight
    assert solid(surface).volume > 0
    assert np.abs(surface.vertices).max() <= 1.01


def test_surfaces_of_a_rough_field_are_closed() -> None:
    def wavy(points: np.ndarray) -> np.ndarray:
        ripples = np.sin(31 * points[:, 0]) * np.sin(29 * points[:, 1]) * np.sin(37 * points[:, 2])
        return 80 * union(sphere(0.5), box((0.7, 0.1, 0.3)))(points) + 3 * ripples

    grid = Grid(64)
    band, dense = narrow_band(wavy, grid, coarse=16), dense_values(wavy, grid)
    assert solid(extract_surface(band)).is_watertight
    assert np.isin(crossed_cells(dense), band.cells).mean() > 0.99


def test_field_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="not finite at"):
        narrow_band(lambda points: np.where(points[:, 0] > 0.5, np.nan, -1.0), Grid(64))


def test_dense_block_has_the_sign_of_every_point() -> None:
    grid = Grid(64)
    field = PROFILES["clamped"](shapes(grid.spacing)["torus"])
    dense, first = narrow_band(field, grid).dense(crop=False)
    np.testing.assert_array_equal(dense > 0, dense_values(field, grid) > 0)
    assert first.tolist() == [0, 0, 0]
