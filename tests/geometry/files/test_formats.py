"""Every format says what it was given, to our own readers and to trimesh."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from support.objects import ball, block

from apg_core.geometry.files import write_model
from apg_core.geometry.files.frame import FileFrame
from apg_core.geometry.files.model import FilePart, Model
from apg_core.geometry.normalise import Placement, normalise
from apg_core.inputs.mesh import read_mesh, read_parts
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.formats import MESH_FORMATS
from apg_core.protocol.mesh import TriangleMesh

READ = [kind for kind in MESH_FORMATS if kind != "usdz"]
RED, GREEN = (230, 40, 20, 255), (10, 200, 90, 255)


def model() -> Model:
    meshes = {"seat & back": (block((1, 2, 3), (0.5, 0.25, 0)), RED), "leg": (ball(0.5), GREEN)}
    return Model(
        [
            FilePart(name, mesh, {"palette": Appearance.plain(len(mesh.faces), Material(name, linear_rgba(colour)))})
            for name, (mesh, colour) in meshes.items()
        ]
    )


def triangles(mesh: TriangleMesh) -> np.ndarray:
    return mesh.vertices[mesh.faces]


def put(files: list[tuple[str, bytes]], folder: Path) -> Path:
    for name, content in files:
        (folder / name).write_bytes(content)
    return folder / files[0][0]


@pytest.mark.parametrize("kind", READ)
def test_our_own_reader_reads_what_was_written(kind: str, tmp_path: Path) -> None:
    given = model()
    path = put(write_model(kind, "chair", given), tmp_path)
    expected = np.concatenate([triangles(part.mesh) for part in given.parts])
    np.testing.assert_allclose(triangles(read_mesh(path)), expected, atol=1e-6)


@pytest.mark.parametrize("kind", READ)
def test_trimesh_reads_what_was_written(kind: str, tmp_path: Path) -> None:
    given = model()
    scene = trimesh.load_scene(put(write_model(kind, "chair", given), tmp_path), process=False)
    assert scene.area == pytest.approx(sum(trimesh.triangles.area(triangles(part.mesh)).sum() for part in given.parts))
    np.testing.assert_allclose(scene.bounds, TriangleMesh.joined([part.mesh for part in given.parts]).bounds, atol=1e-6)


@pytest.mark.parametrize("kind", ["glb", "obj", "3mf"])
def test_parts_keep_their_names_and_colours(kind: str, tmp_path: Path) -> None:
    path = put(write_model(kind, "chair", model()), tmp_path)
    if kind != "obj":
        assert [len(part.faces) for part in read_parts(path)] == [len(part.mesh.faces) for part in model().parts]
    text = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    if kind == "3mf":
        scene = trimesh.load_scene(path, process=False)
        assert {name.partition(";")[0] for name in scene.geometry} >= {"seat & back", "leg"}
    elif kind == "obj":
        assert b"\no seat & back\n" in text
        kd = [line.split()[1:] for line in text.decode().splitlines() if line.startswith("Kd")]
        np.testing.assert_allclose(np.array(kd, float) * 255, [RED[:3], GREEN[:3]], atol=0.01)


def test_ply_has_colours_at_vertices() -> None:
    ((_, content),) = write_model("ply", "chair", model())
    mesh = trimesh.load_mesh(io.BytesIO(content), file_type="ply", process=False)
    colours = np.unique(mesh.visual.vertex_colors, axis=0)
    np.testing.assert_array_equal(colours, sorted([GREEN, RED]))


def test_3mf_is_one_build_in_its_unit() -> None:
    ((_, content),) = write_model("3mf", "chair", replace(model(), frame=FileFrame(up="z", unit="millimeter")))
    scene = trimesh.load_scene(io.BytesIO(content), file_type="3mf", process=False)
    assert scene.units == "millimeter"


@pytest.mark.parametrize("up", ["y", "z"])
def test_parts_go_back_to_where_the_given_mesh_was(up: str) -> None:
    given = block((300, 20, 7), (1234.5, -70, 8))
    normalised, placement = normalise(given, up=up)  # type: ignore[arg-type]
    assert np.abs(normalised.vertices).max() == pytest.approx(1)
    back = FileFrame(placement=placement, up=placement.up).place(normalised)
    np.testing.assert_allclose(back.vertices, given.vertices, rtol=1e-12, atol=1e-9)


def test_what_pointed_up_points_up() -> None:
    post = block((1, 2, 10), (0, 0, 5))  # stands on the floor of a frame with z up
    normalised, _ = normalise(post, up="z")
    assert np.ptp(normalised.vertices, axis=0).argmax() == 1
    marked = TriangleMesh(np.array([[1, 2, 3.0], [0, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(FileFrame(up="z").place(marked).vertices[0], [1, -3, 2])
    moved = FileFrame(placement=Placement(np.array([10.0, 0, 0]), 2.0), up="y").place(marked)
    np.testing.assert_array_equal(moved.vertices[0], [12, 4, 6])
