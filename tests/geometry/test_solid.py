import igl
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.cleanup import keep_faces
from apg_core.geometry.solid import enclosed, nearest_face
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import as_mesh, ball, block

GRID = Grid(48)


def wound_around(mesh: TriangleMesh, grid: Grid) -> np.ndarray:
    """The same by the winding number of every lattice point."""
    places = grid.positions(np.arange(grid.resolution**3)).astype(np.float64)
    winding = igl.fast_winding_number(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), places)
    return (np.abs(winding) > 0.5).reshape((grid.resolution,) * 3)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, derandomize=True)
def test_a_closed_mesh_encloses_what_it_winds_around(seed: int) -> None:
    random = np.random.default_rng(seed)
    solid = trimesh.creation.box(
        random.uniform(0.1, 1.0, 3), trimesh.transformations.random_rotation_matrix(random.random(3))
    )
    other = trimesh.creation.icosphere(subdivisions=2, radius=random.uniform(0.1, 0.5))
    other.apply_translation(random.uniform(-0.4, 0.4, 3))
    mesh = TriangleMesh.joined([as_mesh(solid), as_mesh(other)])  # they may overlap
    np.testing.assert_array_equal(enclosed(mesh, GRID), wound_around(mesh, GRID))


@pytest.mark.parametrize("resolution", [32, 128])
def test_a_ball_encloses_its_volume(resolution: int) -> None:
    grid = Grid(resolution)
    volume = np.count_nonzero(enclosed(ball(0.8, subdivisions=5), grid)) * grid.spacing**3
    assert volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.5 / resolution)


def test_faces_that_point_inwards_enclose_the_same() -> None:
    mesh = ball(0.6)
    np.testing.assert_array_equal(
        enclosed(TriangleMesh(mesh.vertices, mesh.faces[:, ::-1]), GRID), enclosed(mesh, GRID)
    )


def test_a_small_hole_is_closed() -> None:
    mesh = ball(0.6, subdivisions=4)
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    pricked = keep_faces(mesh, centres[:, 2] < 0.59)
    assert len(pricked.faces) < len(mesh.faces)
    difference = np.argwhere(enclosed(pricked, GRID) != enclosed(mesh, GRID))
    assert np.all(GRID.low + difference[:, 2] * GRID.spacing > 0.5)
    assert len(difference) < 0.01 * np.count_nonzero(enclosed(mesh, GRID))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flat_sheet_encloses_nothing(axis: int) -> None:
    size = np.full(3, 1.5)
    size[axis] = 0.0
    box = block(tuple(size), (0.013, 0.013, 0.013))
    assert not enclosed(keep_faces(box, trimesh.triangles.area(box.vertices[box.faces]) > 0), GRID).any()
    assert not enclosed(TriangleMesh.empty(), GRID).any()


def test_a_tangle_encloses_nothing() -> None:
    corners = np.random.default_rng(0).uniform(-1, 1, (9000, 3))
    tangle = TriangleMesh(corners, np.arange(9000).reshape(-1, 3))
    assert not enclosed(tangle, GRID).any()


def test_shells_within_shells_are_no_tangle() -> None:
    shells = TriangleMesh.joined([ball(0.4 + 0.05 * number) for number in range(10)])
    np.testing.assert_array_equal(enclosed(shells, GRID), enclosed(ball(0.85), GRID))


def test_what_lies_outside_the_cube_does_no_harm() -> None:
    assert enclosed(ball(3.0), GRID).all()
    assert not enclosed(ball(0.5, (0, 0, 5)), GRID).any()


def test_distance_to_a_ball_is_that_of_its_radius() -> None:
    places = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    distance, face = nearest_face(ball(0.5, subdivisions=5), places)
    np.testing.assert_allclose(distance, np.abs(np.linalg.norm(places, axis=1) - 0.5), atol=1e-3)
    assert face.shape == (500,)


def test_nothing_is_near_the_empty_mesh() -> None:
    distance, _ = nearest_face(TriangleMesh.empty(), np.zeros((3, 3)))
    assert np.isinf(distance).all()
