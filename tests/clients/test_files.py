"""What is sent of a file: itself, or with what is beside it in one zip."""

from pathlib import Path

import pytest

from apg_core.errors import MeshError
from apg_core.inputs import read_mesh
from clients.files import read_source
from tests.inputs.test_gltf_beside import BUFFER, CORNERS
from tests.inputs.test_read_mesh import triangle_gltf


def test_a_gltf_goes_with_its_buffers_in_one_zip(tmp_path: Path) -> None:
    (tmp_path / "shape.gltf").write_bytes(triangle_gltf("below/a.bin"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.bin").write_bytes(BUFFER)
    name, content = read_source("mesh", tmp_path / "shape.gltf")
    assert name == "shape.zip"
    mesh = read_mesh(content, file_type=".zip")
    assert (mesh.vertices[mesh.faces] == CORNERS).all()


@pytest.mark.parametrize("name", ["shape.gltf", "shape.obj", "shape.glb"])
def test_what_is_whole_goes_as_it_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(triangle_gltf())
    assert read_source("mesh", str(tmp_path / name)) == (name, triangle_gltf())


def test_an_obj_goes_with_its_materials_and_textures(tmp_path: Path) -> None:
    text = b"mtllib m.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    (tmp_path / "shape.obj").write_bytes(text)
    assert read_source("mesh", tmp_path / "shape.obj") == ("shape.obj", text)  # they may be missing
    (tmp_path / "m.mtl").write_bytes(b"newmtl m\nmap_Kd t.png\n")
    (tmp_path / "t.png").write_bytes(b"a picture")
    name, content = read_source("mesh", tmp_path / "shape.obj")
    assert name == "shape.zip"
    assert b"a picture" in content


@pytest.mark.parametrize("uri", ["../secret.bin", "/etc/passwd", "link.bin", "absent.bin"])
def test_nothing_from_outside_of_its_folder_is_sent(uri: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(BUFFER)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link.bin").symlink_to(tmp_path / "secret.bin")
    (tmp_path / "folder" / "shape.gltf").write_bytes(triangle_gltf(uri))
    with pytest.raises(MeshError):
        read_source("mesh", tmp_path / "folder" / "shape.gltf")
