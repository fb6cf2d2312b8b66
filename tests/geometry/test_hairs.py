"""Corners moved by a hair: where faces have no height, and where a cut is tried again."""

import numpy as np
from manifold3d import Manifold

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.solids import HAIR, given_solid, mesh_of, moved_by_a_hair, unaligned
from apg_core.protocol.mesh import TriangleMesh


def test_only_corners_of_faces_without_height_move_and_by_no_more_than_a_hair() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0.4, 0, 0], [0, 1, 0], [2, 2, 2], [3, 2, 2], [2, 3, 2.0]])
    given = TriangleMesh(corners, np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]]))
    found = unaligned(given)
    moved = np.abs(found.vertices - corners).max(axis=1)
    assert (moved[:3] > 0).all()
    assert moved.max() <= HAIR
    assert (moved[3:] == 0).all()
    a, b, c = found.vertices[found.faces[0]]
    assert np.linalg.norm(np.cross(b - a, c - a)) > 1e-12
    np.testing.assert_array_equal(unaligned(given).vertices, found.vertices)


def test_a_mesh_whose_faces_have_height_stays_as_it_is() -> None:
    mesh = mesh_of(Manifold.cube((1, 1, 1)))
    assert unaligned(mesh) is mesh


def test_a_solid_that_was_moved_is_the_same_but_for_a_hair_and_knows_its_faces() -> None:
    cube = mesh_of(Manifold.cube((1, 1, 1)))
    given = given_solid(cube, Grid(32))
    assert given is not None
    for attempt in (1, 2, 3):
        moved = moved_by_a_hair(given.body, attempt=attempt)
        away = np.abs(mesh_of(moved).vertices - mesh_of(given.body).vertices).max()
        assert 0 < away <= HAIR * 10 ** (attempt - 1)
        source = given.surface(moved).source
        assert source is not None
        np.testing.assert_array_equal(np.sort(source), np.arange(12))
