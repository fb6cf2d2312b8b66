from collections.abc import Sequence

import numpy as np
import pytest
import trimesh

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.fitting import REACH, fit_parts
from apg_core.geometry.solid import enclosed
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block, table

GRID, FINE = Grid(64), Grid(128)


def fitted(parts: Sequence[TriangleMesh], whole: TriangleMesh, grid: Grid = GRID) -> list[trimesh.Trimesh]:
    meshes = [extract_surface(band) for band in fit_parts(parts, whole, grid).bands]
    return [trimesh.Trimesh(mesh.vertices, mesh.faces) for mesh in meshes]


def test_what_sticks_out_is_cut_off_and_a_gap_is_divided_in_the_middle() -> None:
    whole = block((1.6, 0.8, 0.8))
    rough = [block((0.7, 1.0, 1.0), (-0.5, 0, 0)), block((0.7, 1.0, 1.0), (0.5, 0, 0))]  # a gap of 0.3 between
    left, right = fitted(rough, whole)
    for half, sign in ((left, -1), (right, 1)):
        assert half.is_watertight
        assert half.volume == pytest.approx(1.6 * 0.8 * 0.8 / 2, rel=0.01)
        np.testing.assert_allclose(np.sort(sign * half.bounds[:, 0]), [0, 0.8], atol=0.01)
        np.testing.assert_allclose(half.bounds[:, 1:], [[-0.4, -0.4], [0.4, 0.4]], atol=0.01)


def test_parts_that_fit_already_stay_what_they_are() -> None:
    parts = table()
    whole = TriangleMesh.joined(parts)
    found = fit_parts(parts, whole, FINE)
    assert found.share > 0.999
    for part, band in zip(parts, found.bands, strict=True):
        solid = trimesh.Trimesh(part.vertices, part.faces)
        again = extract_surface(band)
        assert trimesh.Trimesh(again.vertices, again.faces).volume == pytest.approx(solid.volume, rel=0.05)
        np.testing.assert_allclose(again.bounds, solid.bounds, atol=FINE.spacing / 2)


def test_fitted_parts_cover_the_whole_and_nothing_else() -> None:
    random = np.random.default_rng(4)
    exact = table()
    rough = [TriangleMesh(part.vertices * random.uniform(0.94, 1.06, 3), part.faces) for part in exact]
    whole = enclosed(TriangleMesh.joined(exact), GRID)
    bands = fit_parts(rough, TriangleMesh.joined(exact), GRID).bands
    inside = [enclosed(extract_surface(band), GRID) for band in bands]
    assert np.count_nonzero(np.logical_or.reduce(inside) ^ whole) <= 0.005 * np.count_nonzero(whole)


def test_a_part_grows_no_further_than_its_reach() -> None:
    rod = block((1.8, 0.2, 0.2))
    (grown,) = fitted([block((0.4, 0.2, 0.2))], rod)
    np.testing.assert_allclose(grown.bounds[:, 0], [-0.2 - REACH, 0.2 + REACH], atol=GRID.spacing)


def test_what_two_parts_share_stays_shared() -> None:
    whole = block((1.6, 0.6, 0.6))
    left, right = fitted([block((1.0, 0.6, 0.6), (-0.3, 0, 0)), block((1.0, 0.6, 0.6), (0.3, 0, 0))], whole)
    assert left.volume + right.volume == pytest.approx(2 * 1.0 * 0.6 * 0.6, rel=0.02)


def test_surfaces_are_as_exact_as_extraction() -> None:
    (round_again,) = fitted([ball(0.7)], ball(0.6, subdivisions=5))
    away = np.linalg.norm(round_again.vertices, axis=1) - 0.6
    assert np.abs(away).max() < 0.1 * GRID.spacing


def test_share_tells_how_much_the_whole_encloses() -> None:
    assert fit_parts([block((1, 1, 1), (0.5, 0, 0))], block((1, 1, 1)), GRID).share == pytest.approx(0.5, abs=0.02)
    sheet = TriangleMesh(np.array([[-1, 0, -1], [1, 0, -1], [0, 0, 1.0]]), np.array([[0, 1, 2]]))
    assert fit_parts([ball(0.5)], sheet, GRID).share < 0.01


def test_a_part_away_from_the_whole_has_no_surface_left() -> None:
    near, away = fit_parts([ball(0.3), ball(0.1, (0.8, 0.8, 0.8))], ball(0.32), GRID).bands
    assert not near.is_empty
    assert away.is_empty


def test_a_whole_larger_than_the_cube_ends_within_it() -> None:
    (closed,) = fitted([block((1.96, 1.96, 1.96))], block((3, 3, 3)))
    assert closed.is_watertight
    assert np.abs(closed.bounds).max() < 1.01
