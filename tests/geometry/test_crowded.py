"""Edges with more than two faces: each wedge of solid gets an edge of its own, and nothing moves."""

import numpy as np
import pytest
from jaxtyping import Bool

from apg_core.geometry.parts.crowded import without_crowded_edges
from apg_core.geometry.parts.solids import mesh_of, solid_of
from apg_core.geometry.solid import nearest_face
from apg_core.protocol.mesh import TriangleMesh


def blocks(filled: Bool[np.ndarray, "n n n"]) -> TriangleMesh:
    """The surface of the cells that are filled, each of size 1; corners at one place are one."""
    corners, faces = [], []
    room = np.pad(filled, 1)
    for axis in range(3):
        for side in (-1, 1):
            shown = np.argwhere(room & ~np.roll(room, -side, axis))
            first, second = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            square = np.array([0 * first, first, first + second, second]) + (side > 0) * np.eye(3)[axis]
            for cell in shown:
                start = 4 * len(corners)
                corners.append(cell + square)
                turned = [[0, 1, 2], [0, 2, 3]] if side > 0 else [[0, 2, 1], [0, 3, 2]]
                faces += [[start + corner for corner in face] for face in turned]
    vertices, number = np.unique(np.concatenate(corners), axis=0, return_inverse=True)
    return TriangleMesh(vertices.astype(np.float64), number.reshape(-1)[np.array(faces)])


def faces_of_edges(mesh: TriangleMesh) -> np.ndarray:
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]


@pytest.mark.parametrize("seed", range(6))
def test_blocks_that_touch_along_edges_are_the_same_solid_with_two_faces_at_each_edge(seed: int) -> None:
    filled = np.random.default_rng(seed).random((4, 4, 4)) < 0.4
    given = blocks(filled)
    assert faces_of_edges(given).max() == 4
    plain = without_crowded_edges(given)
    assert set(faces_of_edges(plain)) == {2}
    assert plain.source is not None
    normal = np.cross(*(given.vertices[given.faces[:, k]] - given.vertices[given.faces[:, 0]] for k in (1, 2)))
    corners = plain.vertices[plain.faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(normal)
    np.add.at(summed, plain.source, areas)
    np.testing.assert_allclose(summed, normal, atol=1e-12)
    solid = solid_of(given)
    assert solid is not None
    assert solid.volume() == pytest.approx(np.count_nonzero(filled), rel=1e-12)
    found = mesh_of(solid)
    middles = found.vertices[found.faces].mean(axis=1)
    assert nearest_face(given, middles)[0].max() < 1e-12


def test_a_mesh_without_such_edges_stays_as_it_is() -> None:
    one = blocks(np.ones((1, 1, 1), bool))
    assert without_crowded_edges(one) is one
