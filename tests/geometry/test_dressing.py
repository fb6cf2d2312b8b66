"""Parts look as the given mesh does where they are made of it."""

from dataclasses import replace

import manifold3d
import numpy as np
import pytest
from PIL import Image
from support.objects import ball, block, table
from support.textured import DARK, LIGHT, checkered, textured_table

from apg_core.geometry.dressing import CUT, dress, own_colour
from apg_core.geometry.texels import colours_at, corner_colours, texels
from apg_core.inputs.textures import as_texture
from apg_core.protocol.appearance import Appearance, Material, linear, linear_rgba, srgb, srgb_bytes
from apg_core.protocol.mesh import TriangleMesh


def halves(given: TriangleMesh) -> list[TriangleMesh]:
    """The mesh cut through its middle, each half with the given face of each of its own."""
    mesh = manifold3d.Mesh(
        vert_properties=given.vertices.astype(np.float32),
        tri_verts=given.faces.astype(np.uint32),
        face_id=np.arange(len(given.faces), dtype=np.uint32),
    )
    solid = manifold3d.Manifold(mesh)
    original = solid.to_mesh().run_original_id[0]
    cut = []
    for way in (1.0, -1.0):
        half = solid.trim_by_plane((way, 0.3, 0.2), 0.0).to_mesh()
        source = np.full(len(half.tri_verts), -1, np.int64)
        for run, first, last in zip(half.run_original_id, half.run_index, half.run_index[1:], strict=False):
            if run == original:
                source[first // 3 : last // 3] = half.face_id[first // 3 : last // 3]
        cut.append(TriangleMesh(half.vert_properties[:, :3], half.tri_verts.astype(np.int32), source))
    return cut


def test_texture_places_of_a_cube_cut_in_half_are_those_of_the_cube() -> None:
    given = block((1, 1, 1))
    for half in halves(given):
        assert half.source is not None
        on_cut = half.source < 0
        assert 0 < on_cut.sum() < len(on_cut)
        look = dress(half, given, checkered(given))
        assert [look.materials[place] for place in np.unique(look.material[on_cut])] == [CUT]
        assert {look.materials[place].name for place in np.unique(look.material[~on_cut])} == {"cloth"}
        # On the cube, a texture place is x + 1/2 to the right and z + 1/2 down.
        expected = half.vertices[half.faces][..., [0, 2]] + 0.5
        assert look.uv is not None
        np.testing.assert_allclose(look.uv[~on_cut], expected[~on_cut], atol=1e-6)


def test_colours_of_vertices_are_blended() -> None:
    given = block((1, 1, 1))
    colours = np.concatenate([given.vertices + 0.5, np.ones((8, 1))], axis=1)[given.faces].astype(np.float32)
    look = Appearance((Material("painted"),), np.zeros(12, np.int32), colours=colours)
    for half in halves(given):
        worn = dress(half, given, look)
        assert half.source is not None
        outside = half.source >= 0
        assert worn.colours is not None
        np.testing.assert_allclose(worn.colours[outside, :, :3], (half.vertices + 0.5)[half.faces][outside], atol=1e-6)


def test_a_part_that_does_not_know_its_faces_looks_like_the_nearest_point() -> None:
    given = block((1, 1, 1))
    for half in halves(given):
        assert half.source is not None
        look = dress(replace(half, source=None), given, checkered(given))
        centres = half.vertices[half.faces].mean(axis=1)
        inside = np.abs(centres).max(axis=1) < 0.47
        assert {look.materials[place].name for place in np.unique(look.material[inside])} == {"cut"}
        assert {look.materials[place].name for place in np.unique(look.material[half.source >= 0])} == {"cloth"}
        assert look.uv is not None
        outside = half.source >= 0
        expected = half.vertices[half.faces][..., [0, 2]] + 0.5
        np.testing.assert_allclose(look.uv[outside], expected[outside], atol=1e-6)


def test_where_solids_touch_each_keeps_its_own() -> None:
    given = textured_table()
    assert given.look is not None
    top, *legs = table()
    for mesh, name in [(top, "cloth"), *((leg, "wood") for leg in legs)]:
        look = dress(mesh, given, given.look)
        assert {look.materials[place].name for place in look.used} == {name}


def test_a_ball_far_from_the_given_mesh_is_all_cut() -> None:
    look = dress(ball(0.2, (3, 3, 3)), block((1, 1, 1)), checkered(block((1, 1, 1))))
    assert look.used == [1]
    assert look.materials[1] == CUT


def test_a_part_in_its_own_colour_shows_its_cuts() -> None:
    half, _ = halves(block((1, 1, 1)))
    look = own_colour(half, Material("red"))
    assert half.source is not None
    np.testing.assert_array_equal(look.material == 1, half.source < 0)
    assert own_colour(replace(half, source=None), Material("red")).used == [0]


def test_linear_light_and_srgb_are_inverse_and_as_in_the_standard() -> None:
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(srgb(linear(values)), values, atol=1e-12)
    assert linear(np.array(0.5)) == pytest.approx(((0.5 + 0.055) / 1.055) ** 2.4)
    assert linear(np.array(0.04)) == pytest.approx(0.04 / 12.92)
    assert srgb_bytes(linear_rgba((12, 140, 250, 77))) == (12, 140, 250, 77)


def test_texels_are_the_pictures_pixels_and_blended_between_them() -> None:
    texture = checkered(block((1, 1, 1))).textures[0]
    light, dark = (linear(np.array(colour) / 255) for colour in (LIGHT, DARK))
    found = texels(texture, np.array([[1 / 16, 1 / 16], [3 / 16, 1 / 16], [1 / 16, 3 / 16], [2 / 16, 1 / 16]]))
    np.testing.assert_allclose(found[:, :3], [light, dark, dark, (light + dark) / 2], atol=1e-6)


@pytest.mark.parametrize(("wrap", "place"), [("repeat", 0.25), ("mirror", 0.75), ("clamp", 1.0)])
def test_beyond_its_edge_a_texture_goes_on_as_it_says(wrap: str, place: float) -> None:
    ramp = Image.fromarray(np.arange(0, 256, dtype=np.uint8)[None].repeat(4, 0)).convert("RGB")
    texture = replace(as_texture(ramp), wrap=(wrap, wrap))  # type: ignore[arg-type]
    beyond, within = texels(texture, np.array([[1.25, 0.5], [place - 1 / 512, 0.5]]))
    np.testing.assert_allclose(beyond, within, atol=0.01)


def test_a_place_has_material_vertex_colour_and_texture_multiplied() -> None:
    mesh = block((1, 1, 1))
    half = np.full((12, 3, 4), 0.5, np.float32)
    look = replace(checkered(mesh), materials=(Material("m", (0.5, 1, 1, 1), texture=0),), colours=half)
    bare = corner_colours(checkered(mesh))
    np.testing.assert_allclose(corner_colours(look), bare * [0.25, 0.5, 0.5, 0.5], atol=1e-6)
    middle = colours_at(look, np.array([3]), np.full((1, 3), 1 / 3))
    assert middle.shape == (1, 4)
