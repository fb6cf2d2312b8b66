"""The looks of a glTF: what is read of them, and that nothing about them refuses or harms."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.objects import block
from support.textured import (
    Change,
    bomb,
    changed,
    checkerboard,
    checkered,
    textured_table,
    textured_table_glb,
    with_image,
)

from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import FilePart
from apg_core.inputs.mesh import read_mesh
from apg_core.protocol.appearance import Appearance, Material
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.packing import pack_mesh, unpack_mesh


def cube(look: Appearance) -> bytes:
    return glb([FilePart("cube", block((1, 1, 1)), {"input": look})])


def look_of(data: bytes, limits: InputLimits | None = None) -> Appearance:
    look = read_mesh(data, limits).look
    assert look is not None
    return look


def by_corner(mesh: TriangleMesh, values: np.ndarray) -> dict[bytes, np.ndarray]:
    """Values of corners by face and place, for files that number vertices otherwise."""
    assert len(values) == len(mesh.faces)
    return {mesh.vertices[face].astype(np.float32).tobytes(): own for face, own in zip(mesh.faces, values, strict=True)}


def assert_alike(one: TriangleMesh, other: TriangleMesh, values: Callable[[Appearance], np.ndarray | None]) -> None:
    assert one.look is not None
    assert other.look is not None
    first, second = values(one.look), values(other.look)
    assert first is not None
    assert second is not None
    left, right = by_corner(one, first), by_corner(other, second)
    assert left.keys() == right.keys()
    for key, value in left.items():
        np.testing.assert_allclose(value, right[key], atol=1e-5)


def test_what_was_written_is_read() -> None:
    given, back = textured_table(), read_mesh(textured_table_glb())
    assert_alike(given, back, lambda look: look.uv)
    assert_alike(given, back, lambda look: np.array([look.materials[place].colour for place in look.material]))
    assert given.look is not None
    assert back.look is not None
    assert back.look.textures[0].content == given.look.textures[0].content
    np.testing.assert_array_equal(back.look.textures[0].pixels, np.asarray(checkerboard()))
    for before, after in zip(given.look.materials, back.look.materials, strict=True):
        assert replace(before, colour=(0, 0, 0, 0)) == replace(after, colour=(0, 0, 0, 0))


def test_colours_of_vertices_are_read() -> None:
    mesh = block((1, 1, 1))
    colours = np.random.default_rng(0).random((8, 4)).astype(np.float32)[mesh.faces]
    look = Appearance((Material("m"),), np.zeros(12, np.int32), colours=colours)
    assert_alike(replace(mesh, look=look), read_mesh(cube(look)), lambda one: one.colours)


def test_a_node_that_mirrors_keeps_each_corners_place_in_the_texture() -> None:
    mirrored = changed(cube(checkered(block((1, 1, 1)))), lambda d: d["nodes"][0].update(scale=[-1, 1, 1]))
    back = read_mesh(mirrored)
    assert back.look is not None
    assert back.look.uv is not None
    x, z = back.vertices[back.faces][..., 0], back.vertices[back.faces][..., 2]
    np.testing.assert_allclose(back.look.uv, np.stack([0.5 - x, z + 0.5], axis=-1), atol=1e-6)


def test_places_are_transformed_as_the_texture_says() -> None:
    transform = {"offset": [0.25, 0.5], "rotation": np.pi / 2, "scale": [2, 4]}

    def give(document: dict[str, Any]) -> None:
        info = document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
        info["extensions"] = {"KHR_texture_transform": transform}

    plain, turned = (
        read_mesh(cube(checkered(block((1, 1, 1))))),
        read_mesh(changed(cube(checkered(block((1, 1, 1)))), give)),
    )
    assert plain.look is not None
    assert turned.look is not None
    assert plain.look.uv is not None
    # translation * rotation * scale, with the extension's rotation matrix [[cos, sin], [-sin, cos]]
    u, v = plain.look.uv[..., 0] * 2, plain.look.uv[..., 1] * 4
    np.testing.assert_allclose(turned.look.uv, np.stack([v + 0.25, 0.5 - u], axis=-1), atol=1e-6)


def test_a_mesh_without_looks_has_none_and_one_grey_says_nothing(tmp_path: Path) -> None:
    bare = changed(cube(Appearance.plain(12, Material("m"))), lambda d: [d.pop("materials"), _drop(d, "material")])
    assert read_mesh(bare).look is None
    assert not look_of(cube(Appearance.plain(12, Material("grey", (0.2, 0.2, 0.2, 1))))).says_something
    assert look_of(cube(Appearance.plain(12, Material("red", (0.8, 0.1, 0.1, 1))))).says_something


def _drop(document: dict[str, Any], name: str) -> None:
    document["meshes"][0]["primitives"][0].pop(name)


def test_other_maps_are_left_out_and_told_of() -> None:
    def give(document: dict[str, Any]) -> None:
        document["materials"][0]["normalTexture"] = {"index": 0}
        document["materials"][0]["pbrMetallicRoughness"]["metallicRoughnessTexture"] = {"index": 0}

    look = look_of(changed(cube(checkered(block((1, 1, 1)))), give))
    assert look.notes == (
        "a material's normal texture was left out",
        "a material's metallic-roughness texture was left out",
    )
    assert look.textured


def truncated() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()[:2000]


HOSTILE: dict[str, tuple[Change, str]] = {
    "too many pixels": (with_image(bomb()), "the limit is"),
    "cut off": (with_image(truncated()), "damaged"),
    "no picture": (with_image(b"<svg onload='x'/>"), "SVG"),
    "empty": (with_image(b""), "left out"),
    "elsewhere": (lambda d: d["images"].__setitem__(0, {"uri": "../../etc/passwd"}), "left out"),
    "on the network": (lambda d: d["images"].__setitem__(0, {"uri": "http://a.example/x.png"}), "left out"),
    "not there": (lambda d: d["images"].__setitem__(0, {"bufferView": 999}), "left out"),
    "no such image": (lambda d: d["textures"][0].update(source=7), "does not have it"),
    "a format of its own": (lambda d: d["textures"][0].pop("source"), "KTX2"),
    "materials that are none": (lambda d: d.update(materials=[{"pbrMetallicRoughness": 7}]), "materials.0"),
    "a colour beyond": (
        lambda d: d["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[9, 0, 0, 1]),
        "materials.0",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_looks_that_cannot_be_used_are_left_out_and_the_mesh_is_read(name: str) -> None:
    change, words = HOSTILE[name]
    mesh = read_mesh(changed(cube(checkered(block((1, 1, 1)))), change))
    assert len(mesh.faces) == 12
    notes = () if mesh.look is None else mesh.look.notes
    assert mesh.look is None or not mesh.look.textured
    assert words in " ".join(notes)


@pytest.mark.parametrize("number", [-1, 99, "x", None, 1.5])
def test_a_material_that_there_is_not_is_no_reason_to_refuse(number: object) -> None:
    data = changed(cube(checkered(block((1, 1, 1)))), lambda d: d["meshes"][0]["primitives"][0].update(material=number))
    assert len(read_mesh(data).faces) == 12


def test_an_attribute_of_another_length_is_left_out() -> None:
    def cut(document: dict[str, Any]) -> None:
        attributes = document["meshes"][0]["primitives"][0]["attributes"]
        document["accessors"][attributes["TEXCOORD_0"]]["count"] = 3

    look = look_of(changed(cube(checkered(block((1, 1, 1)))), cut))
    assert not look.textured
    assert "places on the mesh" in look.notes[0]


def test_textures_have_pixels_and_numbers_in_all() -> None:
    looks = [checkered(block((1, 1, 1))) for _ in range(4)]
    for place, look in enumerate(looks):
        pixels = look.textures[0].pixels.copy()
        pixels[0, 0] = place
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        looks[place] = replace(look, textures=(replace(look.textures[0], content=buffer.getvalue()),))
    data = glb([FilePart(f"{i}", block((1, 1, 1), (i, 0, 0)), {"input": look}) for i, look in enumerate(looks)])
    assert len(look_of(data).textures) == 4
    few = look_of(data, InputLimits(textures=2))
    assert len(few.textures) == 2
    assert "more than 2 of them" in few.notes[0]
    small = look_of(data, InputLimits(texture_pixels=2 * 128 * 128))
    assert len(small.textures) == 2
    assert "pixels" in small.notes[0]


def test_a_texture_of_another_kind_is_written_anew_as_png() -> None:
    buffer = io.BytesIO()
    checkerboard().save(buffer, "WEBP", lossless=True)
    look = look_of(changed(cube(checkered(block((1, 1, 1)))), with_image(buffer.getvalue())))
    assert look.textures[0].is_png
    np.testing.assert_array_equal(look.textures[0].pixels, np.asarray(checkerboard()))


def test_looks_pass_through_stores_unchanged() -> None:
    mesh = read_mesh(textured_table_glb())
    back = unpack_mesh(pack_mesh(mesh))
    assert mesh.look is not None
    assert back.look is not None
    assert back.look.materials == mesh.look.materials
    assert back.look.textures[0].content == mesh.look.textures[0].content
    for name in ("material", "uv"):
        np.testing.assert_array_equal(getattr(back.look, name), getattr(mesh.look, name))
    np.testing.assert_array_equal(back.look.textures[0].pixels, mesh.look.textures[0].pixels)
