import io

import numpy as np
import pytest
import trimesh
from support.objects import ball, table

from apg_core.geometry.export import part_glb, scene_glb, whole_glb
from apg_core.geometry.picture.colours import part_colour


def load(data: bytes) -> trimesh.Scene:
    return trimesh.load_scene(io.BytesIO(data), file_type="glb", process=False)


def test_part_comes_back_with_its_vertices_faces_and_colour() -> None:
    mesh, colour = ball(0.5), part_colour(1, 5)
    scene = load(part_glb(mesh, colour=colour))
    (back,) = scene.geometry.values()
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    assert tuple(back.visual.material.baseColorFactor) == pytest.approx(colour, abs=1)
    np.testing.assert_allclose(back.vertex_normals, mesh.vertices / 0.5, atol=0.02)


def test_scene_has_a_named_node_for_every_part_in_its_place() -> None:
    parts = table()
    scene = load(scene_glb(parts, [part_colour(i, 5) for i in range(5)]))
    assert sorted(scene.graph.nodes_geometry) == [f"part_{i:03d}" for i in range(5)]
    for place, part in enumerate(parts):
        transform, name = scene.graph[f"part_{place:03d}"]
        np.testing.assert_allclose(transform, np.eye(4))
        np.testing.assert_allclose(scene.geometry[name].bounds, part.bounds, atol=1e-6)


def test_the_same_mesh_gives_the_same_bytes() -> None:
    assert part_glb(ball(0.5), colour=part_colour(0, 3)) == part_glb(ball(0.5), colour=part_colour(0, 3))
    assert scene_glb(table(), [part_colour(i, 5) for i in range(5)]) == scene_glb(
        table(), [part_colour(i, 5) for i in range(5)]
    )


def test_whole_is_one_node() -> None:
    assert list(load(whole_glb(ball(0.5))).graph.nodes_geometry) == ["whole"]
