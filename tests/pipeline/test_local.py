"""A whole generation in this process, on random weights: plumbing, determinism, resumption, files."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from apg_core.errors import (
    BackendMissingError,
    MaskError,
    OutputError,
    PresetError,
    PromptError,
    WeightsMissingError,
)
from apg_core.output import is_result
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.generate import generate
from apg_core.pipeline.local import (
    Generation,
    Pipeline,
    generate_from_image,
    generate_from_image_and_mask,
    generate_from_image_and_mesh,
    generate_from_mesh,
    generate_parts,
    load_pipeline,
)
from apg_core.pipeline.local_stages import run_at_once
from apg_core.pipeline.sink import Sink
from apg_core.pipeline.stages import OnStep
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, StopReason
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load_pipeline("nano", "cpu")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    image = np.full((96, 80, 3), 255, np.uint8)
    image[20:80, 20:60] = (200, 40, 40)
    image[20:45, 20:60] = (40, 40, 200)
    return image


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    labels = np.zeros((96, 80), np.int32)
    labels[20:45, 20:60] = 4
    labels[45:80, 20:60] = 9
    return labels


@pytest.fixture(scope="module")
def mesh() -> TriangleMesh:
    box = trimesh.creation.box((2.0, 1.0, 4.0)).apply_translation((10, 0, 0))
    return TriangleMesh(np.asarray(box.vertices), np.asarray(box.faces))


QUIET = GenerationOptions(show_progress=False, preview=False, seed=3)


def ending_of(pipeline: Pipeline, prompt: Prompt, sink: Sink, resume: Resume | None = None) -> Ending:
    options = pipeline.preset.complete(QUIET)
    brief = Brief(prompt=prompt, options=options, preset=pipeline.preset, stages=pipeline.stages, sink=sink)
    return run_at_once(generate(brief, resume))


class Recorder:
    """A sink that keeps what it hears, and can break off after some parts."""

    def __init__(self, *, break_after: int | None = None) -> None:
        self.stages: list[Stage] = []
        self.parts: list[AcceptedPart] = []
        self.latent: LatentArray | None = None
        self.steps = 0
        self._break_after = break_after

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        self.stages.append(stage)

    def on_step(self) -> OnStep:
        return self._step

    def _step(self, done: int, total: int) -> None:
        self.steps += 1

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        self.latent = latent

    async def part(self, part: AcceptedPart) -> None:
        self.parts.append(part)
        if len(self.parts) == self._break_after:
            raise ConnectionError("the machine went away")

    async def region_failed(self, region: FailedRegion) -> None:
        raise AssertionError(f"region failed: {region}")


def picture_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != "manifest.json"  # it holds timings
    }


def assert_is_whole(generation: Generation, folder: Path, *, mode: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["mode"] == mode
    assert manifest["random_weights"] is True
    assert len(manifest["parts"]) == len(generation.parts) > 0
    combined = trimesh.load(folder / "mesh_combined.glb")
    assert len(combined.graph.nodes_geometry) == len(generation.parts)
    for entry in manifest["parts"]:
        loaded = trimesh.load(folder / entry["file"], force="mesh")
        assert len(loaded.faces) == entry["mesh"]["faces"]
    assert not list(folder.glob("*.tmp"))


def test_a_manifest_tells_an_edited_config_file_from_another(
    pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path
) -> None:
    changed = "guidance: {mesh: {geometry_cfg_scale: 4.5}}\nscheduler: {solver_order: 1}\n"
    text = f"__default__: {pipeline.preset.folder / 'preset.yaml'}\n{changed}"
    (tmp_path / "edited.yaml").write_text(text)
    other = load_pipeline(tmp_path / "edited.yaml", "cpu")
    plain, edited = (generate_from_mesh(one, mesh, options=QUIET).manifest.sampling for one in (pipeline, other))
    assert (plain["guidance"]["mesh"]["geometry"], edited["guidance"]["mesh"]["geometry"]) == (2.0, 4.5)
    assert (plain["schedule"]["solver_order"], edited["schedule"]["solver_order"]) == (2, 1)
    assert {**plain, "guidance": 0, "schedule": 0} == {**edited, "guidance": 0, "schedule": 0}


def test_a_mesh_gives_parts_files_and_a_manifest(pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path) -> None:
    generation = generate_from_mesh(pipeline, mesh, output_dir=tmp_path, options=QUIET)
    assert_is_whole(generation, tmp_path, mode="mesh")
    assert generation.manifest.stop_reason is StopReason.MAX_PARTS
    placement = generation.manifest.placement
    assert placement is not None
    assert placement.centre == pytest.approx((10, 0, 0))
    assert placement.scale == pytest.approx(2)


def test_an_image_gives_parts_files_and_a_manifest(pipeline: Pipeline, picture: np.ndarray, tmp_path: Path) -> None:
    options = GenerationOptions(show_progress=False, seed=3, save_whole=True)
    generation = generate_from_image(pipeline, picture, output_dir=tmp_path, options=options)
    assert_is_whole(generation, tmp_path, mode="image")
    assert picture_of(tmp_path / "preview.png").shape[1] > 100
    assert (tmp_path / "whole.glb").is_file()


def test_an_image_and_a_mesh_give_parts(
    pipeline: Pipeline, picture: np.ndarray, mesh: TriangleMesh, tmp_path: Path
) -> None:
    generation = generate_from_image_and_mesh(pipeline, picture, mesh, output_dir=tmp_path, options=QUIET)
    assert_is_whole(generation, tmp_path, mode="image_mesh")


@pytest.mark.parametrize("with_mesh", [False, True])
def test_a_mask_gives_one_part_a_region_from_the_bottom_up(
    pipeline: Pipeline, picture: np.ndarray, mask: np.ndarray, mesh: TriangleMesh, tmp_path: Path, with_mesh: bool
) -> None:
    given = mesh if with_mesh else None
    generation = generate_from_image_and_mask(pipeline, picture, mask, given, output_dir=tmp_path, options=QUIET)
    assert_is_whole(generation, tmp_path, mode="image_mesh_mask" if with_mesh else "image_mask")
    assert [part.facts.label for part in generation.parts] == [9, 4]
    assert generation.manifest.stop_reason is StopReason.ALL_REGIONS_DONE
    palette = json.loads((tmp_path / "mask_palette.json").read_text())
    coloured = picture_of(tmp_path / "mask_colored.png")
    assert [entry["mask_label"] for entry in palette] == [9, 4]
    assert coloured[60, 40].tolist() == palette[0]["rgba"]
    assert coloured[30, 40].tolist() == palette[1]["rgba"]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path
) -> None:
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        generate_from_mesh(
            pipeline,
            mesh,
            output_dir=tmp_path / name,
            options=GenerationOptions(show_progress=False, preview=False, seed=seed),
        )
    assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "again")
    assert bytes_of(tmp_path / "first")["mesh_000.glb"] != bytes_of(tmp_path / "other")["mesh_000.glb"]


def test_an_earlier_run_leaves_no_file_behind(pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path) -> None:
    old = ("mesh_017.glb", "whole.glb", "preview.png", "mask_colored.png", "mask_palette.json")
    for name in old:
        (tmp_path / name).write_bytes(b"old")
    (tmp_path / "notes.txt").write_text("mine")
    generate_from_mesh(pipeline, mesh, output_dir=tmp_path, options=QUIET)
    assert not any((tmp_path / name).exists() for name in old)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("masked", [False, True])
def test_an_interrupted_generation_goes_on_to_the_same_parts(
    pipeline: Pipeline, picture: np.ndarray, mask: np.ndarray, masked: bool
) -> None:
    prompt = Prompt(image=picture, mask=mask if masked else None)
    through, broken, rest = Recorder(), Recorder(break_after=1), Recorder()
    ending = ending_of(pipeline, prompt, through)
    with pytest.raises(ConnectionError):
        ending_of(pipeline, prompt, broken)
    resume = Resume(whole=broken.latent, parts=broken.parts)
    resumed = ending_of(pipeline, prompt, rest, resume)
    assert len(rest.parts) == len(through.parts) - 1
    for expected, part in zip(ending.parts, resumed.parts, strict=True):
        assert part.facts == expected.facts
        np.testing.assert_array_equal(part.mesh.vertices, expected.mesh.vertices)


def test_the_sink_hears_every_stage_and_step(pipeline: Pipeline, picture: np.ndarray) -> None:
    sink = Recorder()
    ending_of(pipeline, Prompt(image=picture), sink)
    expected = [Stage.BACKGROUND, Stage.ENCODE, Stage.WHOLE, *[Stage.PART, Stage.MESH] * 3]
    assert sink.stages == expected
    assert sink.steps == 4 * (1 + 3)


def test_history_noise_changes_later_parts_only(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    clean = generate_from_mesh(pipeline, mesh, options=QUIET)
    noised = generate_from_mesh(
        pipeline, mesh, options=GenerationOptions(show_progress=False, preview=False, seed=3, infer_sigma_history=0.5)
    )
    first, second = ([part.mesh.vertices for part in made.parts] for made in (clean, noised))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1].shape != second[1].shape or not np.array_equal(first[1], second[1])


def test_posterior_samples_differ_from_the_mean_and_repeat(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    options = GenerationOptions(show_progress=False, preview=False, seed=3, sample_posterior=True)
    mean, first, again = (
        generate_from_mesh(pipeline, mesh, options=chosen).parts[0].mesh.vertices
        for chosen in (QUIET, options, options)
    )
    np.testing.assert_array_equal(first, again)
    assert mean.shape != first.shape or not np.array_equal(mean, first)


def test_image_guidance_without_an_image_is_a_warning(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    options = GenerationOptions(show_progress=False, preview=False, image_cfg_scale=3)
    assert "image_cfg_scale has no effect" in generate_from_mesh(pipeline, mesh, options=options).manifest.warnings[0]


def test_neither_image_nor_mesh_is_an_error(pipeline: Pipeline) -> None:
    with pytest.raises(PromptError, match="give an image, a mesh, or both"):
        generate_parts(pipeline)


def test_a_mask_without_an_image_is_an_error(pipeline: Pipeline, mesh: TriangleMesh, mask: np.ndarray) -> None:
    with pytest.raises(PromptError, match="give an image too"):
        generate_parts(pipeline, mesh=mesh, mask=mask)


def test_a_mask_without_a_region_is_an_error(pipeline: Pipeline, picture: np.ndarray) -> None:
    with pytest.raises(MaskError, match="no region"):
        generate_from_image_and_mask(pipeline, picture, np.zeros((96, 80), np.int32), options=QUIET)


def test_a_folder_that_cannot_be_made_is_an_error_before_anything_runs(
    pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose a folder"):
        generate_from_mesh(pipeline, mesh, output_dir=tmp_path / "file" / "out", options=QUIET)


def test_a_full_disk_is_an_error_that_leaves_no_half_file(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    from apg_core.output import OutputFolder

    with pytest.raises(OutputError):
        OutputFolder(full)


def test_diso_without_a_gpu_is_an_error_that_says_what_to_do(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    options = GenerationOptions(show_progress=False, preview=False, isosurface_backend="diso")
    with pytest.raises(BackendMissingError, match="diso"):
        generate_from_mesh(pipeline, mesh, options=options)


def test_an_unknown_preset_is_an_error_that_lists_them() -> None:
    with pytest.raises(PresetError, match="nano"):
        load_pipeline("huge")


def test_published_weights_that_are_not_here_are_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match="apg fetch-weights autopartgen-2048"):
        load_pipeline("autopartgen-2048", "cpu", checkpoints=tmp_path)


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(BackendMissingError, match="unknown device"):
        load_pipeline("nano", "quantum")


def test_parts_come_as_trimesh_meshes_and_as_a_scene_like_the_files(
    pipeline: Pipeline, mesh: TriangleMesh, tmp_path: Path
) -> None:
    options = QUIET.model_copy(update={"smooth_iters": 2, "save_whole": True, "visualize_mask": True})
    made = generate_from_mesh(pipeline, mesh, output_dir=tmp_path, options=options)
    assert all(is_result(path.name) for path in tmp_path.iterdir())
    scene = made.to_scene()
    for place, (part, solid) in enumerate(zip(made.parts, made.to_trimesh(), strict=True)):
        written = trimesh.load(tmp_path / part.facts.file, force="mesh", process=False)
        np.testing.assert_array_equal(written.triangles, solid.triangles.astype(np.float32))
        np.testing.assert_array_equal(scene.geometry[f"part_{place:03d}"].triangles, solid.triangles)


@pytest.mark.parametrize("off", [0, -1, None])
def test_simplification_is_turned_off_by_zero_less_or_nothing(off: int | None) -> None:
    assert GenerationOptions(simplify_faces=off).simplify_faces == 0  # type: ignore[arg-type]


def test_without_postprocessing_a_part_is_what_was_extracted(pipeline: Pipeline, mesh: TriangleMesh) -> None:
    raw = QUIET.model_copy(update={"postprocess": False})
    plain, smoothed = (
        generate_from_mesh(pipeline, mesh, options=raw.model_copy(update={"smooth_iters": steps})) for steps in (0, 5)
    )
    for one, other in zip(plain.parts, smoothed.parts, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
