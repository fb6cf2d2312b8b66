"""An extent holds the object and its surroundings, and within it a field's surface is what it is everywhere."""

import numpy as np
import pytest
import trimesh
from reference import dense_values
from scipy.spatial import KDTree
from support.fields import PROFILES, shapes, sphere

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.extent import CELLS, SPARE, Extent, FieldWithin
from apg_core.protocol.mesh import TriangleMesh

CELL = 2 / CELLS
POINTS = np.random.default_rng(0).uniform(-1.01, 1.01, (20_000, 3)).astype(np.float32)


def mesh_of(solid: trimesh.Trimesh) -> TriangleMesh:
    return TriangleMesh(np.asarray(solid.vertices), np.asarray(solid.faces))


BALL = mesh_of(trimesh.creation.icosphere(4, 0.5))
CLAMPED_BALL = PROFILES["clamped"](sphere(0.5))


@pytest.mark.parametrize("extent", [Extent.of_mesh(BALL), Extent.of_field(CLAMPED_BALL)], ids=["mesh", "field"])
def test_a_ball_and_what_is_near_it_are_held_and_the_rest_is_not(extent: Extent) -> None:
    away = np.linalg.norm(POINTS, axis=1) - 0.5
    held = extent.holds(POINTS)
    assert held[away < SPARE * CELL].all()
    # A cell that the ball touches, cells to spare, the diagonal of each, and the field's reach of half its range.
    assert not held[away > (SPARE + 2) * CELL * np.sqrt(3)].any()


def test_a_rod_thinner_than_a_cell_is_held() -> None:
    rod = mesh_of(trimesh.creation.cylinder(0.002, segment=[[-0.9, 0.31, 0.13], [0.9, -0.2, -0.4]]))
    assert Extent.of_mesh(rod).holds(rod.vertices).all()


def test_an_open_surface_is_held() -> None:
    sheet = TriangleMesh(np.array([[-1, 0.1, -1], [1, 0.1, -1], [0, 0.1, 1.0]]), np.array([[0, 1, 2]]))
    extent = Extent.of_mesh(sheet)
    assert extent.holds(sheet.vertices).all()
    assert extent.cells.mean() < 0.25


def test_what_lies_outside_of_the_cube_counts_in_the_nearest_cell() -> None:
    box = mesh_of(trimesh.creation.box((2, 2, 2)))
    assert Extent.of_mesh(box).holds(np.array([[1.01, -1.01, 1.01], [-5, 0, 0]])).all()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", list(shapes(1.0)))
def test_the_band_within_an_extent_is_the_band(shape: str, profile: str) -> None:
    grid = Grid(64)
    field = PROFILES[profile](shapes(grid.spacing)[shape])
    everywhere = narrow_band(field, grid, coarse=16)
    inside = grid.positions(np.flatnonzero(dense_values(field, grid) > 0))
    extent = Extent.of_field(lambda points: np.where(KDTree(inside).query(points)[0] < CELL, 1.0, -8.0))
    evaluated: list[int] = []

    def counted(points: np.ndarray) -> np.ndarray:
        evaluated.append(len(points))
        return field(points)

    within = narrow_band(FieldWithin(counted, extent), grid, coarse=16)
    np.testing.assert_array_equal(within.cells, everywhere.cells)
    np.testing.assert_array_equal(within.values > 0, everywhere.values > 0)
    assert sum(evaluated) <= within.queries


def test_outside_of_the_extent_nothing_is_evaluated_and_nothing_is_inside() -> None:
    def field(points: np.ndarray) -> np.ndarray:
        assert extent.holds(points).all()
        return np.full(len(points), 8.0, np.float32)

    extent = Extent.of_mesh(BALL)
    values = FieldWithin(field, extent)(POINTS)
    np.testing.assert_array_equal(values > 0, extent.holds(POINTS))
