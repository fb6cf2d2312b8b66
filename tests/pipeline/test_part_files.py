"""The files of whole generations, over the smallest preset."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from pxr import Usd, UsdGeom
from support.khronos import findings, needs_validator
from support.objects import block
from support.textured import textured_table_glb

from apg_core.errors import OptionError
from apg_core.inputs.mesh import read_mesh
from apg_core.output import is_result
from apg_core.pipeline.local import Pipeline, generate_parts, load_pipeline
from apg_core.protocol.formats import MESH_FORMATS
from apg_core.protocol.options import GenerationOptions
from tests.pipeline.recorded import MODES

SMALL = {"grid_size": 16, "num_inference_steps": 2, "max_parts": 2, "show_progress": False, "preview": False}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load_pipeline("nano", "cpu")


def options(**chosen: object) -> GenerationOptions:
    return GenerationOptions.model_validate({**SMALL, **chosen})


@needs_validator
def test_the_khronos_validator_finds_nothing_in_any_mode(pipeline: Pipeline, tmp_path: Path) -> None:
    for mode, given in MODES.items():
        for smooth in (0, 1000):
            folder = tmp_path / f"{mode}_{smooth}"
            generate_parts(pipeline, **given, output_dir=folder, options=options(save_whole=True, smooth_iters=smooth))
    found = sorted(tmp_path.rglob("*.glb"))
    assert len(found) >= 2 * len(MODES) * 3
    assert findings(found) == {}


def test_parts_are_written_in_every_format_in_the_given_frame(pipeline: Pipeline, tmp_path: Path) -> None:
    given = tmp_path / "tower.stl"
    box = block((20, 30, 90), (1000, -400, 45))
    trimesh.Trimesh(box.vertices, box.faces).export(given)
    chosen = options(formats=["3mf", "stl", "usdz", "obj", "ply"], frame="input", input_up="z")
    made = generate_parts(pipeline, mesh=given, output_dir=tmp_path / "out", options=chosen)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = [f"mesh_{place:03d}" for place in range(len(made.parts))] + ["mesh_combined"]
    assert names >= {f"{stem}.{kind}" for stem in stems for kind in (*MESH_FORMATS, "mtl")}
    assert all(map(is_result, names))
    for part in made.parts:
        x, y, z = part.mesh.vertices.T.astype(float)
        expected = np.stack([x, -z, y], axis=1) * 45 + [1000, -400, 45]
        for kind in MESH_FORMATS:
            triangles = written_triangles(tmp_path / "out" / f"mesh_{part.facts.index:03d}.{kind}")
            np.testing.assert_allclose(triangles, expected[part.mesh.faces], atol=45e-6)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["options"]["formats"] == "glb,obj,stl,ply,3mf,usdz"
    assert manifest["placement"] == {"centre": [1000, 45, 400], "scale": 45, "up": "z"}


def written_triangles(path: Path) -> np.ndarray:
    if path.suffix != ".usdz":
        mesh = read_mesh(path)
        return mesh.vertices[mesh.faces]
    stage = Usd.Stage.Open(str(path))
    (mesh,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    corners = np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    return np.array(mesh.GetPointsAttr().Get())[corners]


def test_a_frame_that_there_is_not_is_told_of(pipeline: Pipeline) -> None:
    made = generate_parts(pipeline, image=MODES["image"]["image"], options=options(frame="input"))
    assert any("frame 'input' has no effect" in warning for warning in made.manifest.warnings)


def test_formats_are_a_list_or_one_string() -> None:
    assert options(formats="STL, .obj").formats == options(formats=("obj", "stl")).formats == "glb,obj,stl"
    assert options(formats=[]).formats == "glb"
    with pytest.raises(OptionError, match="unknown format 'fbx'; the formats are glb, obj"):
        options(formats="obj,fbx")
    with pytest.raises(OptionError, match="formats"):
        options(formats=7)
    with pytest.raises(OptionError, match="output_up"):
        options(output_up="x")


@needs_validator
def test_parts_of_a_textured_mesh_are_textured_and_the_combined_file_has_both_looks(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "table.glb").write_bytes(textured_table_glb())
    chosen = options(formats="obj,3mf,ply,stl")
    generate_parts(pipeline, mesh=tmp_path / "table.glb", output_dir=tmp_path / "out", options=chosen)
    combined = read_mesh(tmp_path / "out" / "mesh_combined.glb").look
    assert combined is not None
    assert len(combined.textures) == 1
    assert {"cloth", "wood"} & {material.name for material in combined.materials}
    document = (tmp_path / "out" / "mesh_combined.glb").read_bytes()
    assert b'"KHR_materials_variants":{"variants":[{"name":"input"},{"name":"palette"}]}' in document
    assert b"KHR_materials_variants" not in (tmp_path / "out" / "mesh_000.glb").read_bytes()
    assert findings(sorted((tmp_path / "out").glob("*.glb"))) == {}
    palette = generate_parts(
        pipeline, mesh=tmp_path / "table.glb", output_dir=tmp_path / "plain", options=options(appearance="palette")
    )
    assert palette.parts
    assert b"variants" not in (tmp_path / "plain" / "mesh_combined.glb").read_bytes()
    assert b"cloth" not in (tmp_path / "plain" / "mesh_combined.glb").read_bytes()
