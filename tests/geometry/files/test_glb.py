import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from support.khronos import findings, needs_validator
from support.objects import ball, block, table

from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import GENERATOR, FilePart
from apg_core.geometry.parts.cleanup import smooth
from apg_core.geometry.picture.colours import part_colour
from apg_core.inputs.mesh import read_parts
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.mesh import TriangleMesh

ORANGE = (255, 128, 0, 255)


def part(mesh: TriangleMesh, name: str = "part_000", colour: tuple[int, int, int, int] = ORANGE) -> FilePart:
    look = Appearance.plain(len(mesh.faces), Material(name, linear_rgba(colour)))
    return FilePart(name, mesh, {"palette": look}, {"seed": 7})


def parts() -> list[FilePart]:
    return [part(mesh, f"part_{place:03d}", part_colour(place, 5)) for place, mesh in enumerate(table())]


def load(data: bytes) -> trimesh.Scene:
    return trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False)


def document(data: bytes) -> dict:
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def test_a_smooth_mesh_comes_back_with_its_vertices_and_faces() -> None:
    mesh = ball(0.5)
    (back,) = load(glb([part(mesh)])).geometry.values()
    np.testing.assert_array_equal(back.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    np.testing.assert_allclose(back.vertex_normals, mesh.vertices / 0.5, atol=0.005)


def test_edges_stay_sharp() -> None:
    (back,) = load(glb([part(block((1, 2, 3)))])).geometry.values()
    assert len(back.vertices) == 24  # three normals at each of eight corners
    np.testing.assert_allclose(back.vertex_normals[back.faces], np.repeat(back.face_normals[:, None], 3, 1), atol=1e-6)


def test_base_colours_are_linear() -> None:
    (material,) = document(glb([part(ball(1), colour=ORANGE)]))["materials"]
    # IEC 61966-2-1: ((128 / 255 + 0.055) / 1.055) ** 2.4
    assert material["pbrMetallicRoughness"]["baseColorFactor"] == pytest.approx([1, 0.215861, 0, 1], abs=1e-6)


def test_every_part_is_a_named_node_with_what_is_known_of_it() -> None:
    read = document(glb(parts(), {"job": "a-job"}))
    assert [node["name"] for node in read["nodes"]] == [f"part_{place:03d}" for place in range(5)]
    assert all(node["extras"] == {"seed": 7} for node in read["nodes"])
    assert read["asset"] == {"version": "2.0", "generator": GENERATOR, "extras": {"job": "a-job"}}
    for place, mesh in enumerate(table()):
        transform, name = load(glb(parts())).graph[f"part_{place:03d}"]
        np.testing.assert_array_equal(transform, np.eye(4))
        np.testing.assert_array_equal(load(glb(parts())).geometry[name].bounds, mesh.bounds)


def test_indices_take_two_bytes_where_they_fit() -> None:
    for mesh, component in ((ball(1, subdivisions=3), 5123), (ball(1, subdivisions=7), 5125)):
        read = document(glb([part(mesh)]))
        indices = read["accessors"][read["meshes"][0]["primitives"][0]["indices"]]
        assert indices["componentType"] == component


def test_the_same_parts_give_the_same_bytes() -> None:
    assert glb(parts()) == glb(parts())


def test_faces_without_area_have_normals_and_faces_of_two_corners_are_left_out() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0], [5, 5, 5]], np.float32)
    mesh = TriangleMesh(vertices, np.array([[0, 1, 2], [0, 1, 3], [4, 4, 1]], np.int32))
    (back,) = load(glb([part(mesh)])).geometry.values()
    assert len(back.faces) == 2
    np.testing.assert_allclose(np.linalg.norm(back.vertex_normals, axis=1), 1, atol=1e-6)


def test_a_packed_file_is_smaller_and_holds_the_same() -> None:
    given = [part(ball(0.5, subdivisions=5)), *parts()]
    plain, packed = glb(given), glb(given, packed=True)
    assert len(packed) < 0.6 * len(plain)
    assert document(packed)["extensionsRequired"] == ["EXT_meshopt_compression"]
    for one, other in zip(read_parts(plain), read_parts(packed), strict=True):
        corners = [np.sort(mesh.vertices[mesh.faces].reshape(-1, 9), axis=1) for mesh in (one, other)]
        left, right = (rows[np.lexsort(rows.T)] for rows in corners)
        np.testing.assert_array_equal(left, right)
        assert one.look is not None
        assert other.look is not None
        assert one.look.materials == other.look.materials


@needs_validator
def test_the_khronos_validator_finds_nothing(tmp_path: Path) -> None:
    half = Material("half", (1, 0.5, 0, 0.5), alpha_mode="BLEND", double_sided=True, unlit=True)
    cut_out = Material("cut out", (1, 0.5, 0, 0.5), alpha_mode="MASK")
    looks = {"input": Appearance.plain(12, half), "palette": Appearance.plain(12, cut_out)}
    written = {
        "part": glb([part(ball(1))]),
        "scene": glb(parts(), {"job": "a-job"}),
        "variants": glb([replace(part(block((1, 1, 1))), looks=looks)]),
        # So many steps pull some of a coarse mesh's faces together to nothing.
        "smoothed": glb([part(smooth(table()[0], 1000))]),
    }
    paths = [tmp_path / f"{name}.glb" for name in written]
    for path, content in zip(paths, written.values(), strict=True):
        path.write_bytes(content)
    assert findings(paths) == {}
