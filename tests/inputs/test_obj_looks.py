"""The looks of OBJ, PLY, 3MF and of trimesh's own objects."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from support.objects import block
from support.textured import checkerboard, checkered, textured_table

from apg_core.errors import MeshError
from apg_core.geometry.files import write_model
from apg_core.geometry.files.model import FilePart, Model
from apg_core.geometry.texels import corner_colours
from apg_core.inputs.mesh import read_mesh
from apg_core.inputs.prompt import input_entries, read_prompt
from apg_core.protocol.appearance import Appearance, Material, linear
from apg_core.protocol.beside import Folder, packed
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh


def written(kind: str, mesh: TriangleMesh) -> dict[str, bytes]:
    assert mesh.look is not None
    return dict(write_model(kind, "thing", Model([FilePart("thing", mesh, {"input": mesh.look})])))


def put(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / next(iter(files))


def colours_by_face(mesh: TriangleMesh) -> dict[bytes, np.ndarray]:
    assert mesh.look is not None
    light = corner_colours(mesh.look)
    keys = (mesh.vertices[face].astype(np.float32).round(4).tobytes() for face in mesh.faces)
    return dict(zip(keys, light, strict=True))


def assert_looks_alike(one: TriangleMesh, other: TriangleMesh, *, within: float) -> None:
    left, right = colours_by_face(one), colours_by_face(other)
    assert left.keys() == right.keys()
    for key, value in left.items():
        np.testing.assert_allclose(value, right[key], atol=within)


def painted() -> TriangleMesh:
    mesh = block((1, 1, 1))
    colours = np.ones((8, 4), np.float32)
    colours[:, :3] = linear(np.random.default_rng(0).integers(0, 256, (8, 3)) / 255)
    look = Appearance.plain(12, Material("default"))
    return replace(mesh, look=replace(look, colours=colours[mesh.faces]))


def test_an_obj_with_what_is_beside_it_looks_as_it_was_written(tmp_path: Path) -> None:
    given = textured_table()
    back = read_mesh(put(written("obj", given), tmp_path), beside=True)
    assert_looks_alike(given, back, within=0.004)  # colours of materials have eight bits
    assert back.look is not None
    assert len(back.look.textures) == 1
    np.testing.assert_array_equal(back.look.textures[0].pixels, np.asarray(checkerboard()))


def test_an_obj_in_a_zip_has_its_looks_and_alone_it_has_none(tmp_path: Path) -> None:
    files = written("obj", textured_table())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"model/{name}", content)
    assert_looks_alike(textured_table(), read_mesh(buffer.getvalue()), within=0.004)
    assert read_mesh(files["thing.obj"]).look is None


@pytest.mark.parametrize("kind", ["ply", "obj", "3mf"])
def test_colours_of_vertices_come_back(kind: str, tmp_path: Path) -> None:
    assert_looks_alike(painted(), read_mesh(put(written(kind, painted()), tmp_path), beside=True), within=1e-5)


HOSTILE = {
    "elsewhere": (b"mtllib ../../etc/passwd\n", b"", "never followed"),
    "an address": (b"mtllib http://a.example/x.mtl\n", b"", "never followed"),
    "not there": (b"mtllib none.mtl\n", b"", "not in its folder"),
    "a colour that is none": (b"mtllib m.mtl\nusemtl a\n", b"newmtl a\nKd red\n", "damaged"),
    "a picture elsewhere": (b"mtllib m.mtl\nusemtl a\n", b"newmtl a\nmap_Kd /etc/passwd\n", "never followed"),
    "no picture": (b"mtllib m.mtl\nusemtl a\n", b"newmtl a\nmap_Kd m.mtl\n", "left out"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_used_is_left_out_and_the_mesh_is_read(name: str, tmp_path: Path) -> None:
    head, library, words = HOSTILE[name]
    (tmp_path / "m.mtl").write_bytes(library)
    (tmp_path / "a.obj").write_bytes(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\n" + head + b"f 1/1 2/1 3/1\n")
    mesh = read_mesh(tmp_path / "a.obj", beside=True)
    assert len(mesh.faces) == 1
    assert mesh.look is not None
    assert words in " ".join(mesh.look.notes)
    assert not mesh.look.textured


def test_texture_places_that_there_are_not_are_left_out(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    checkerboard().save(buffer, "PNG")
    (tmp_path / "c.png").write_bytes(buffer.getvalue())
    (tmp_path / "m.mtl").write_bytes(b"newmtl a\nmap_Kd c.png\n")
    text = b"mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl a\n"
    (tmp_path / "a.obj").write_bytes(text + b"f -4/-3 2/2/7 3/3\nf 2//1 4 3/1\n")
    look = read_mesh(tmp_path / "a.obj", beside=True).look
    assert look is not None
    assert look.uv is not None
    np.testing.assert_array_equal(look.uv[0], [[0, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(look.uv[1], [[0, 0], [0, 0], [0, 1]])
    (tmp_path / "a.obj").write_bytes(text + b"f 1/1 2/2 3/99\n")
    damaged = read_mesh(tmp_path / "a.obj", beside=True).look
    assert damaged is not None
    assert "damaged" in damaged.notes[0]
    assert not damaged.textured


def test_what_is_beside_goes_into_one_zip_and_into_the_hash(tmp_path: Path) -> None:
    path = put(written("obj", textured_table()), tmp_path)
    zipped = packed(path.read_bytes(), ".obj", Folder(tmp_path))
    assert_looks_alike(textured_table(), read_mesh(zipped), within=0.004)
    before = input_entries({"mesh": path})["mesh"].sha256
    (tmp_path / "thing.mtl").write_bytes((tmp_path / "thing.mtl").read_bytes().replace(b"Kd 1", b"Kd 0"))
    assert input_entries({"mesh": path})["mesh"].sha256 != before


def test_a_zip_of_two_objects_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.obj", b"v 0 0 0")
        archive.writestr("b.obj", b"v 0 0 0")
    with pytest.raises(MeshError, match=r"0 \.gltf and 2 \.obj files"):
        read_mesh(buffer.getvalue())


def test_trimesh_objects_keep_their_looks() -> None:
    box = block((1, 1, 1))
    given = replace(box, look=checkered(box))
    assert given.look is not None
    assert given.look.uv is not None
    soup = TriangleMesh(box.vertices[box.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))
    solid = trimesh.Trimesh(soup.vertices, soup.faces, process=False)
    uv = given.look.uv.reshape(-1, 2) * [1, -1] + [0, 1]
    solid.visual = trimesh.visual.TextureVisuals(uv=uv, image=checkerboard())
    mesh = read_prompt({"mesh": solid}, InputLimits()).mesh
    assert mesh is not None
    assert_looks_alike(given, mesh, within=1e-5)
    coloured = trimesh.Trimesh(box.vertices, box.faces, process=False, face_colors=[[255, 0, 0, 255]] * 12)
    red = read_prompt({"mesh": trimesh.Scene(coloured)}, InputLimits()).mesh
    assert red is not None
    np.testing.assert_allclose(next(iter(colours_by_face(red).values())), [[1, 0, 0, 1]] * 3)
    bare = read_prompt({"mesh": trimesh.Trimesh(box.vertices, box.faces)}, InputLimits()).mesh
    assert bare is not None
    assert bare.look is None


def test_base_materials_of_a_3mf_come_back_and_its_textures_are_told_of(tmp_path: Path) -> None:
    back = read_mesh(put(written("3mf", textured_table()), tmp_path)).look
    assert back is not None
    assert {back.materials[place].name for place in back.used} == {"default", "wood"}
    assert back.notes == ("the textures of the 3MF were left out: only its colours are read",)
    wood = next(material for material in back.materials if material.name == "wood")
    given = textured_table().look
    assert given is not None
    np.testing.assert_allclose(wood.colour, given.materials[1].colour, atol=0.004)
