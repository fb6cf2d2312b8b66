"""What can be seen from nowhere outside is removed, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from support.objects import ball, block, table
from support.textured import checkered, textured_table

from apg_core.geometry.texels import corner_colours
from apg_core.geometry.unseen import seen_faces, without_unseen
from apg_core.pipeline.local import generate_parts, load_pipeline
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.packing import pack_prompt, unpack_prompt
from apg_core.protocol.prompt import Prompt
from apg_core.sandbox.cleaning import cleaned


def solid(mesh: TriangleMesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces)


def turned_inside_out(mesh: TriangleMesh) -> TriangleMesh:
    return replace(mesh, faces=mesh.faces[:, ::-1])


@pytest.mark.parametrize("inner", [ball(0.3), turned_inside_out(ball(0.3))])
def test_an_inner_shell_is_removed(inner: TriangleMesh) -> None:
    outer = block((1, 1, 1))
    cleared = without_unseen(TriangleMesh.joined([outer, inner]))
    np.testing.assert_array_equal(cleared.mesh.vertices[cleared.mesh.faces], outer.vertices[outer.faces])
    assert cleared.notes == (f"clean_input removed 1 inner shells of {len(inner.faces):,} faces",)


def test_what_lies_within_other_solids_is_joined() -> None:
    crossed = TriangleMesh.joined([block((3, 1, 1)), block((1, 1.5, 3)), block((0.2, 4, 0.2))])
    cleared = without_unseen(crossed)
    joined = solid(cleared.mesh)
    assert joined.is_watertight
    # Inclusion and exclusion, by hand.
    assert joined.volume == pytest.approx(3 * 1 * 1 + 1 * 1.5 * 3 - 1 * 1 * 1 + 0.04 * (4 - 1.5))
    assert "joined 3 solids" in cleared.notes[0]
    assert seen_faces(cleared.mesh).all()


def test_a_mesh_of_which_all_is_seen_stays_as_it_is() -> None:
    for mesh in (ball(1), table()[0], TriangleMesh.joined([ball(0.3), ball(0.3, (1, 0, 0))])):
        cleared = without_unseen(mesh)
        assert cleared.notes == ()
        np.testing.assert_array_equal(cleared.mesh.vertices[cleared.mesh.faces], mesh.vertices[mesh.faces])


def test_an_open_mesh_keeps_its_hidden_faces_and_says_so() -> None:
    box = block((1, 1, 1))
    opened = TriangleMesh(box.vertices, box.faces[2:])
    cleared = without_unseen(TriangleMesh.joined([opened, block((3, 0.4, 0.4))]))
    assert len(cleared.mesh.faces) == 22
    assert cleared.notes == () or "not all closed" in cleared.notes[0]


def test_faces_keep_their_looks() -> None:
    given = textured_table()
    cleared = without_unseen(given).mesh
    assert cleared.look is not None
    assert {material.name for material in cleared.look.materials} == {"cloth", "wood"}
    top = cleared.vertices[cleared.faces][..., 1].min(axis=1) > 0.549
    expected = (cleared.vertices[cleared.faces][top][..., [0, 2]] + [1, 0.6]) / [2, 1.2]
    assert cleared.look.uv is not None
    np.testing.assert_allclose(cleared.look.uv[top], expected, atol=1e-5)
    inside = TriangleMesh.joined([replace(block((1, 1, 1)), look=checkered(block((1, 1, 1)))), ball(0.2)])
    alone = without_unseen(inside).mesh
    assert alone.look is not None
    np.testing.assert_allclose(corner_colours(alone.look), corner_colours(checkered(block((1, 1, 1)))), atol=1e-6)


def test_the_manifest_tells_of_it() -> None:
    mesh = TriangleMesh.joined([block((1, 1, 1)), ball(0.3)])
    small = {"grid_size": 16, "num_inference_steps": 2, "max_parts": 1, "show_progress": False, "preview": False}
    made = generate_parts(
        load_pipeline("nano", "cpu"),
        mesh=mesh,
        options=GenerationOptions.model_validate({**small, "clean_input": True}),
    )
    assert made.manifest.warnings[0].startswith("clean_input removed 1 inner shells")


def test_a_prompt_s_notes_pass_through_stores() -> None:
    prompt = cleaned(Prompt(mesh=TriangleMesh.joined([block((1, 1, 1)), ball(0.3)])))
    back = unpack_prompt(pack_prompt(prompt))
    assert back.notes == prompt.notes != ()
    assert back.mesh is not None
    assert len(back.mesh.faces) == 12
