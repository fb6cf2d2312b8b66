"""Solids cut at their hollow edges, and the pieces handed to parts."""

from collections.abc import Sequence

import numpy as np
import pytest
import trimesh
from manifold3d import CrossSection, Manifold

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.fitting import Fitted, Fitting, fit_parts
from apg_core.geometry.parts.pieces import MOST_PIECES, apart, convex_pieces
from apg_core.geometry.parts.solids import mesh_of, solid_of
from apg_core.geometry.solid import nearest_face
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import as_mesh, ball, block, table, union


def volume(mesh: TriangleMesh) -> float:
    return float(trimesh.Trimesh(mesh.vertices, mesh.faces).volume)


def divided(parts: Sequence[TriangleMesh], whole: TriangleMesh, *, further: int) -> Fitted:
    return fit_parts(parts, whole, Fitting(Grid(64), at_edges=True, further=further))


TEE = (block((1.6, 0.2, 0.2), (0, 0.4, 0)), block((0.2, 0.8, 0.2), (0, -0.1, 0)))


def test_a_convex_solid_stays_whole() -> None:
    solid = solid_of(block((1, 0.5, 0.25)))
    assert solid is not None
    (piece,) = convex_pieces(solid)
    assert piece.volume() == pytest.approx(0.125)


def test_a_fused_tee_is_cut_where_its_bars_meet() -> None:
    solid = solid_of(union(*TEE))
    assert solid is not None
    volumes = sorted(piece.volume() for piece in convex_pieces(solid))
    assert volumes == pytest.approx([0.2 * 0.2 * 0.8, 1.6 * 0.2 * 0.2])


def test_pieces_make_up_a_table_and_do_not_overlap() -> None:
    solid = solid_of(union(*table()))
    assert solid is not None
    pieces = convex_pieces(solid)
    assert len(table()) <= len(pieces) <= MOST_PIECES
    assert sum(piece.volume() for piece in pieces) == pytest.approx(solid.volume(), rel=1e-6)
    joined = sum(pieces, Manifold())
    assert joined.volume() == pytest.approx(solid.volume(), rel=1e-6)


def test_a_hollow_inside_stays_hollow() -> None:
    outer, inner, stand = (solid_of(mesh) for mesh in (ball(0.5), ball(0.3), block((1.5, 0.1, 0.1))))
    assert outer is not None
    assert inner is not None
    assert stand is not None
    solid = (outer + stand) - inner
    assert sum(piece.volume() for piece in convex_pieces(solid)) == pytest.approx(solid.volume(), rel=1e-3)


def test_cutting_a_solid_with_hollows_again_and_again_does_not_multiply_what_it_remembers() -> None:
    solid = Manifold.cube((10, 1, 1))
    for place in range(10):
        solid = solid - Manifold.cube((0.4, 0.4, 0.4)).translate((place + 0.1, 0.3, 0.3))
    for cut in range(9):
        (solid,) = apart(solid.split_by_plane((1, 0, 0), cut + 0.75)[0])
        assert len(solid.to_mesh64().run_original_id) < 100
    assert solid.volume() == pytest.approx(1.25 - 0.4**3)


def test_rough_parts_get_the_exact_ones_back() -> None:
    rough = [TriangleMesh(part.vertices * 0.9 + 0.02, part.faces) for part in TEE]
    found = divided(rough, union(*TEE), further=0).meshes
    np.testing.assert_allclose(found[0].bounds, TEE[0].bounds, atol=0.015)
    assert [volume(part) for part in found] == pytest.approx([0.064, 0.032], rel=0.02)


def test_what_no_part_has_is_a_part_of_its_own_or_goes_to_its_neighbour() -> None:
    alone = divided(TEE[:1], union(*TEE), further=1)
    together = divided(TEE[:1], union(*TEE), further=0)
    assert alone.remainder == (True,)
    assert [volume(part) for part in alone.meshes] == pytest.approx([0.064, 0.032], rel=0.02)
    assert [volume(part) for part in together.meshes] == pytest.approx([0.096])


def test_what_is_apart_from_the_rest_of_its_part_is_a_part_of_its_own() -> None:
    balls = [ball(0.3, (x, 0, 0)) for x in (-0.6, 0.6)]
    left_and_little_more = TriangleMesh.joined([ball(0.2, (-0.6, 0, 0)), ball(0.18, (0.6, 0, 0))])
    found = divided([left_and_little_more], union(*balls), further=4)
    assert found.remainder == (False,)
    assert volume(found.meshes[0]) == pytest.approx(volume(found.meshes[1]), rel=1e-3)


def test_a_part_away_from_the_whole_has_nothing_of_it() -> None:
    found = divided([ball(0.4), ball(0.1, (0.8, 0.8, 0.8))], ball(0.4), further=3)
    assert [part.is_empty for part in found.meshes] == [False, True]


@pytest.mark.parametrize("sides", [3, 4, 5])
def test_a_post_with_sharp_edges_goes_through_a_slab_and_leaves_nothing_of_it_outside(sides: int) -> None:
    post = as_mesh(trimesh.creation.cylinder(0.25, 1.6, sections=sides))
    slab = block((1.2, 1.2, 0.2))
    (around, through) = divided([slab, post], union(slab, post), further=0).meshes
    np.testing.assert_allclose(np.abs(around.bounds), [[0.6, 0.6, 0.1]] * 2, atol=1e-6)
    assert volume(through) == pytest.approx(volume(post), rel=0.02)
    assert volume(around) + volume(through) == pytest.approx(volume(union(slab, post)), rel=1e-6)


def test_a_cut_faces_the_given_surface_exactly_where_corners_almost_lie_in_one_line() -> None:
    # A fan of long, thin faces: making it of fewer faces would move it.
    outline = np.stack([np.linspace(-0.8, 0.8, 200), 0.3 + 1e-7 * np.cos(np.arange(200))], axis=1)
    outline = np.concatenate([[(-0.8, -0.3), (0.8, -0.3)], outline[::-1]])
    beam, post = mesh_of(Manifold.extrude(CrossSection([outline]), 0.2)), block((0.2, 0.2, 1), (0, 0, 0.2))
    whole = union(beam, post)
    found = divided([beam, post], whole, further=0)
    for mesh in found.meshes:
        assert mesh.source is not None
        outside = mesh.vertices[mesh.faces[mesh.source >= 0]]
        assert nearest_face(whole, outside.mean(axis=1))[0].max() < 1e-6
    assert found.partition.unclaimed < 1e-6
