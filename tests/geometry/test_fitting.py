"""A given mesh divided among parts: volumes are conserved, the surface is the given one, cuts are smooth."""

from collections.abc import Sequence

import numpy as np
import pytest
import trimesh
from jaxtyping import Float
from manifold3d import Error, Manifold, Mesh

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.fitting import Fitted, Fitting, fit_parts
from apg_core.geometry.solid import nearest_face
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block, table, union

GRID = Grid(64)


def divided(
    parts: Sequence[TriangleMesh], whole: TriangleMesh, *, at_edges: bool = False, further: int = 0
) -> list[TriangleMesh]:
    return list(fit(parts, whole, at_edges=at_edges, further=further).meshes)


def fit(
    parts: Sequence[TriangleMesh], whole: TriangleMesh, *, at_edges: bool = False, further: int = 0, grid: Grid = GRID
) -> Fitted:
    return fit_parts(parts, whole, Fitting(grid, at_edges=at_edges, further=further))


def volume(mesh: TriangleMesh) -> float:
    return 0.0 if mesh.is_empty else float(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).volume)


def check_tiling(found: Fitted, whole_volume: float) -> None:
    """Every part is a closed, oriented, manifold solid, and together they are the whole, once."""
    for mesh in found.meshes:
        if mesh.is_empty:
            continue
        assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight
        solid = Manifold(Mesh(mesh.vertices, mesh.faces.astype(np.uint32)))
        assert solid.status() == Error.NoError
        assert solid.volume() > 0
    assert sum(volume(mesh) for mesh in found.meshes) == pytest.approx(whole_volume, rel=1e-6)
    assert found.partition.unclaimed < 1e-6
    assert found.partition.doubly_claimed < 1e-6
    assert sum(found.partition.shares) == pytest.approx(1, abs=1e-6)


def check_surface(meshes: Sequence[TriangleMesh], given: TriangleMesh) -> None:
    """Each corner of a face outside lies in the plane of the given face that it names, within that face's box."""
    for mesh in meshes:
        assert mesh.source is not None
        outside = mesh.source >= 0
        corners = mesh.vertices[mesh.faces[outside]].astype(np.float64)
        a, b, c = given.vertices[given.faces[mesh.source[outside]]].astype(np.float64).transpose(1, 0, 2)
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        assert np.abs(np.einsum("fci,fi->fc", corners - a[:, None], normal)).max() < 1e-6
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        assert ((corners >= low[:, None] - 1e-6) & (corners <= high[:, None] + 1e-6)).all()


def cut_corners(mesh: TriangleMesh) -> Float[np.ndarray, "K 3"]:
    assert mesh.source is not None
    return mesh.vertices[np.unique(mesh.faces[mesh.source < 0])]


def noisy(mesh: TriangleMesh, amount: float, seed: int) -> TriangleMesh:
    fine = trimesh.Trimesh(mesh.vertices, mesh.faces).subdivide_to_size(0.05)
    random = np.random.default_rng(seed).normal(0, amount, fine.vertices.shape)
    return TriangleMesh(np.asarray(fine.vertices + random), np.asarray(fine.faces))


def test_a_gap_is_divided_in_the_middle_and_what_sticks_out_is_cut_off() -> None:
    whole = block((1.6, 0.8, 0.8))
    found = fit([block((0.7, 1, 1), (-0.5, 0, 0)), block((0.7, 1, 1), (0.5, 0, 0))], whole)
    check_tiling(found, 1.6 * 0.8 * 0.8)
    check_surface(found.meshes, whole)
    for half in found.meshes:
        assert volume(half) == pytest.approx(0.8 * 0.8 * 0.8, rel=0.01)
        np.testing.assert_allclose(cut_corners(half)[:, 0], 0, atol=0.01)


@pytest.mark.parametrize("grid", [Grid(32), Grid(256)])
def test_cuts_of_noisy_parts_have_no_steps_at_any_grid(grid: Grid) -> None:
    halves = [block((0.8, 0.8, 0.8), (-0.4, 0.01, 0)), block((0.8, 0.8, 0.8), (0.4, 0, 0.01))]
    turned = trimesh.transformations.rotation_matrix(0.5, (1, 2, 3))[:3, :3]
    rough = [
        TriangleMesh(noisy(half, 0.01, seed).vertices @ turned.T, noisy(half, 0.01, seed).faces)
        for seed, half in enumerate(halves)
    ]
    whole = TriangleMesh(block((1.6, 0.7, 0.7)).vertices @ turned.T, block((1.6, 0.7, 0.7)).faces)
    found = fit(rough, whole, grid=grid)
    check_tiling(found, 1.6 * 0.7 * 0.7)
    mesh = found.meshes[0]
    assert mesh.source is not None
    solid = trimesh.Trimesh(mesh.vertices @ turned, mesh.faces, process=False)
    away = solid.vertices[np.unique(mesh.faces[mesh.source < 0])][:, 0]
    assert np.abs(away).max() < 0.02
    cut = mesh.source < 0
    normals, areas = solid.face_normals[cut], solid.area_faces[cut]
    turned_by = np.degrees(np.arccos(np.clip(normals[:, 0], -1, 1)))
    assert (areas * turned_by).sum() / areas.sum() < 10  # steps would turn by 45 degrees and more
    assert areas.sum() < 1.03 * 0.7 * 0.7


def test_parts_that_fit_already_stay_what_they_are() -> None:
    parts = table()
    whole = TriangleMesh.joined(parts)
    found = fit(parts, whole, at_edges=True)
    assert found.enclosed > 0.999
    check_tiling(found, volume(union(*parts)))
    for part, now in zip(parts, found.meshes, strict=True):
        assert volume(now) == pytest.approx(volume(part), rel=0.1)
        np.testing.assert_allclose(now.bounds, part.bounds, atol=0.03)


def test_a_fused_table_is_cut_where_its_legs_meet_its_top() -> None:
    parts = table()
    whole = union(*parts)
    found = fit([TriangleMesh(part.vertices + 0.015, part.faces) for part in parts], whole, at_edges=True)
    check_tiling(found, volume(whole))
    check_surface(found.meshes, whole)
    for leg in found.meshes[1:]:
        np.testing.assert_allclose(cut_corners(leg)[:, 1], 0.45, atol=0.015)
        assert volume(leg) == pytest.approx(0.1 * 0.8 * 0.1, rel=0.1)


def test_a_single_part_is_the_whole_object() -> None:
    rod = block((1.8, 0.2, 0.2))
    found = fit([block((0.4, 0.2, 0.2))], rod)
    check_tiling(found, 1.8 * 0.2 * 0.2)


def test_what_two_parts_share_is_divided_between_them() -> None:
    whole = block((1.6, 0.6, 0.6))
    found = fit([block((1.0, 0.6, 0.6), (-0.3, 0, 0)), block((1.0, 0.6, 0.6), (0.3, 0, 0))], whole)
    check_tiling(found, 1.6 * 0.6 * 0.6)
    assert [volume(mesh) for mesh in found.meshes] == pytest.approx([0.8 * 0.36] * 2, rel=0.01)


def test_of_two_parts_that_are_the_same_one_gets_it_all() -> None:
    found = fit([ball(0.5), ball(0.5)], ball(0.5))
    check_tiling(found, volume(ball(0.5)))
    assert sorted(mesh.is_empty for mesh in found.meshes) == [False, True]


def test_a_part_away_from_the_object_has_nothing_of_it() -> None:
    near, away = divided([ball(0.3), ball(0.1, (0.8, 0.8, 0.8))], ball(0.32))
    assert volume(near) == pytest.approx(volume(ball(0.32)), rel=1e-6)
    assert away.is_empty


@pytest.mark.parametrize("at_edges", [False, True])
def test_a_lump_that_no_part_has_is_a_remainder_where_there_is_room_and_else_the_neighbours(at_edges: bool) -> None:
    whole = union(block((1.0, 0.4, 0.4), (-0.5, 0, 0)), block((0.8, 0.1, 0.1), (0.3, 0, 0)))
    parts = [block((1.0, 0.4, 0.4), (-0.5, 0, 0))]
    alone = fit(parts, whole, at_edges=at_edges, further=2)
    check_tiling(alone, volume(whole))
    assert alone.remainder == (True,)
    assert volume(alone.meshes[1]) == pytest.approx(0.7 * 0.1 * 0.1, rel=0.1)
    together = fit(parts, whole, at_edges=at_edges)
    check_tiling(together, volume(whole))
    assert together.remainder == ()


def test_a_small_piece_that_no_part_lies_in_is_a_remainder_where_networks_set_it_apart() -> None:
    body, box = block((0.9, 0.5, 1.9)), block((0.3, 0.15, 0.3), (0, 0.32, 0))
    whole = union(body, box)
    for regroup, remainder in ((True, (True,)), (False, ())):
        found = fit_parts([body], whole, Fitting(GRID, at_edges=True, further=2, regroup=regroup))
        check_tiling(found, volume(whole))
        assert found.remainder == remainder
        if remainder:
            assert volume(found.meshes[1]) == pytest.approx(volume(whole) - volume(body), rel=0.05)


def test_an_inside_out_mesh_is_turned() -> None:
    whole = block((1.6, 0.6, 0.6))
    turned = TriangleMesh(whole.vertices, whole.faces[:, ::-1])
    found = fit([block((0.8, 0.6, 0.6), (-0.4, 0, 0)), block((0.8, 0.6, 0.6), (0.4, 0, 0))], turned)
    check_tiling(found, 1.6 * 0.6 * 0.6)
    check_surface(found.meshes, turned)


def test_a_hollow_stays_hollow_and_a_shell_within_it_stays_there() -> None:
    outer, inner, core = ball(0.9), ball(0.6), ball(0.3)
    shell = TriangleMesh(inner.vertices, inner.faces[:, ::-1])
    whole = TriangleMesh.joined([outer, shell, core])
    found = fit([block((1, 2, 2), (-0.5, 0, 0)), block((1, 2, 2), (0.5, 0, 0))], whole)
    check_tiling(found, volume(outer) - volume(inner) + volume(core))
    check_surface(found.meshes, whole)


def test_shells_that_overlap_are_one_solid() -> None:
    left, right = block((1.0, 0.5, 0.5), (-0.3, 0, 0)), block((1.0, 0.4, 0.4), (0.3, 0, 0))
    whole = TriangleMesh.joined([left, right])
    found = fit([left, right], whole)
    check_tiling(found, volume(union(left, right)))
    check_surface(found.meshes, whole)
    assert found.partition.exact


def test_a_shell_that_is_there_twice_counts_once() -> None:
    whole = TriangleMesh.joined([ball(0.5), ball(0.5)])
    check_tiling(fit([ball(0.5)], whole), volume(ball(0.5)))


def test_corners_with_normals_of_their_own_leave_a_mesh_closed() -> None:
    whole = block((1.6, 0.6, 0.6))
    apart = TriangleMesh(whole.vertices[whole.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    found = fit([block((0.8, 1, 1), (-0.4, 0, 0)), block((0.8, 1, 1), (0.4, 0, 0))], apart)
    check_tiling(found, 1.6 * 0.6 * 0.6)
    assert found.partition.exact


def test_an_open_mesh_is_divided_as_a_copy_near_to_it() -> None:
    closed = ball(0.8, subdivisions=4)
    middle = closed.vertices[closed.faces].mean(axis=1)
    open_ball = TriangleMesh(closed.vertices, closed.faces[middle[:, 1] < 0.75])
    found = fit([block((1, 2, 2), (-0.5, 0, 0)), block((1, 2, 2), (0.5, 0, 0))], open_ball, grid=Grid(128))
    assert not found.partition.exact
    check_tiling(found, sum(volume(mesh) for mesh in found.meshes))
    assert sum(volume(mesh) for mesh in found.meshes) == pytest.approx(volume(closed), rel=0.02)
    for mesh in found.meshes:
        assert mesh.source is not None
        outside = mesh.vertices[np.unique(mesh.faces[mesh.source >= 0])]
        low = outside[outside[:, 1] < 0.7]
        assert nearest_face(open_ball, low)[0].max() < Grid(128).spacing / 2


def test_a_mesh_with_no_inside_is_not_divided() -> None:
    sheet = TriangleMesh(np.array([[-1, 0, -1], [1, 0, -1], [0, 0, 1.0]]), np.array([[0, 1, 2]]))
    assert fit([ball(0.5)], sheet).enclosed < 0.01


def test_it_is_told_how_much_of_the_parts_the_mesh_encloses() -> None:
    assert fit([block((1, 1, 1), (0.5, 0, 0))], block((1, 1, 1))).enclosed == pytest.approx(0.5, abs=0.05)
