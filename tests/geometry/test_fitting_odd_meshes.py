"""Given meshes that are hardly solids, or many of them: each is divided, or nothing of it is and that is told."""

import numpy as np
import pytest
import trimesh

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.fitting import Fitted, Fitting, fit_parts
from apg_core.geometry.parts.sharing import MOST_COMPARED
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block

PARTS = (ball(0.6), ball(0.3, (0.5, 0.5, 0)))


def fit(whole: TriangleMesh, *, at_edges: bool) -> Fitted:
    return fit_parts(PARTS, whole, Fitting(Grid(64), at_edges=at_edges, further=8, regroup=True))


def volume(mesh: TriangleMesh) -> float:
    return 0.0 if mesh.is_empty else float(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume)


def both_ways(mesh: TriangleMesh) -> TriangleMesh:
    """Each face twice, turned both ways: closed, with nothing in it."""
    return TriangleMesh(mesh.vertices, np.concatenate([mesh.faces, mesh.faces[:, ::-1]]))


SQUARE = TriangleMesh(np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1.0]]), np.array([[0, 1, 2], [0, 2, 3]]))
TURNED = TriangleMesh(SQUARE.vertices, SQUARE.faces[:, ::-1])
FLAT = TriangleMesh(
    np.array([[-1, 0, -1], [1, 0, -1], [-1, 0, 1], [-0.3, 0, -0.3]]),
    np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
)


@pytest.mark.parametrize("at_edges", [False, True])
@pytest.mark.parametrize(
    "mesh",
    [both_ways(SQUARE), TriangleMesh.joined([SQUARE, TURNED]), both_ways(ball(0.9)), FLAT, block((2, 2e-9, 2))],
    ids=["one sheet", "two sheets", "a ball both ways", "a flat tetrahedron", "a box without thickness"],
)
def test_a_closed_surface_around_nothing_is_not_divided(mesh: TriangleMesh, at_edges: bool) -> None:
    found = fit(mesh, at_edges=at_edges)
    assert (found.meshes, found.enclosed) == ((), 0.0)


@pytest.mark.parametrize("at_edges", [False, True])
@pytest.mark.parametrize(
    ("size", "exact"),
    [((2, 2e-6, 2), 8e-6), ((2, 2e-4, 2), 8e-4), ((2, 2e-5, 2e-5), 8e-10)],
    ids=["thin", "less thin", "a needle"],
)
def test_what_is_very_thin_is_a_solid_all_the_same(
    size: tuple[float, float, float], exact: float, at_edges: bool
) -> None:
    found = fit(block(size), at_edges=at_edges)
    assert sum(volume(mesh) for mesh in found.meshes) == pytest.approx(exact, rel=1e-3)
    assert sum(found.partition.shares) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("at_edges", [False, True])
def test_dust_alone_is_divided_and_beside_a_body_it_is_of_its_neighbour(at_edges: bool) -> None:
    places = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    dust = [block((1e-4, 1e-4, 1e-4), tuple(place)) for place in places]
    alone = fit(TriangleMesh.joined(dust), at_edges=at_edges)
    assert sum(volume(mesh) for mesh in alone.meshes) == pytest.approx(50e-12, rel=1e-2)
    body = fit(TriangleMesh.joined([ball(0.6), *dust]), at_edges=at_edges)
    assert sum(body.partition.shares) == pytest.approx(1, abs=1e-6)
    assert body.partition.unclaimed < 1e-6


@pytest.mark.parametrize("at_edges", [False, True])
def test_parts_that_have_nothing_of_the_mesh_leave_it_to_a_remainder(at_edges: bool) -> None:
    corner = TriangleMesh(
        np.array([[-1, -1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]),
        np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
    )
    found = fit(corner, at_edges=at_edges)
    assert [mesh.is_empty for mesh in found.meshes] == [True, True, False]
    assert found.remainder == (True,)
    assert volume(found.meshes[2]) == pytest.approx(8 / 6, rel=1e-6)


@pytest.mark.parametrize("at_edges", [False, True])
def test_more_bodies_than_networks_compare_are_divided_all_the_same(at_edges: bool) -> None:
    sides = np.linspace(-0.95, 0.95, 6)
    boxes = [block((0.1, 0.1, 0.1), (x, y, z)) for x in sides for y in sides for z in sides]
    assert len(boxes) > MOST_COMPARED
    found = fit(TriangleMesh.joined(boxes), at_edges=at_edges)
    assert sum(volume(mesh) for mesh in found.meshes) == pytest.approx(216e-3, rel=1e-5)
    for mesh in found.meshes:
        assert volume(mesh) == pytest.approx(1e-3 * len(mesh.vertices) / 8, rel=1e-4)  # no box is cut


def test_each_of_many_shells_within_each_other_is_a_wall() -> None:
    balls = [ball(radius) for radius in (1.0, 0.8, 0.6, 0.4)]
    inwards = [TriangleMesh(one.vertices, one.faces[:, ::-1]) if i % 2 else one for i, one in enumerate(balls)]
    found = fit(TriangleMesh.joined(inwards), at_edges=True)
    walls = volume(balls[0]) - volume(balls[1]) + volume(balls[2]) - volume(balls[3])
    assert sum(volume(mesh) for mesh in found.meshes) == pytest.approx(walls, rel=1e-5)
