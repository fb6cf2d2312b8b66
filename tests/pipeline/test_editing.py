"""Edits of generations, in memory and in folders, over real networks of the nano and the tiny preset."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from apg_core import edit
from apg_core.errors import EditError, InputError
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.earlier import LATENTS_FILE, Earlier
from apg_core.pipeline.edit import plan_edit
from apg_core.pipeline.edit_brief import EditBrief
from apg_core.pipeline.editing import carry_out
from apg_core.pipeline.ending import Resume
from apg_core.pipeline.keeping import INPUTS_FILE, fingerprint
from apg_core.pipeline.loading import ModelLoader
from apg_core.pipeline.local import Pipeline, generate_from_image, load_pipeline
from apg_core.pipeline.local_stages import load_at_first_use, run_at_once
from apg_core.protocol.edit import Continue, Edit, Merge, Pick, Remove, Rename, Reorder, Resample, Split
from apg_core.protocol.manifest import AcceptedPart, StopReason
from apg_core.protocol.options import GenerationOptions
from tests.support.edited import files, indices

QUICK = GenerationOptions(
    seed=4,
    num_inference_steps=2,
    grid_size=16,
    max_parts=3,
    preview=False,
    show_progress=False,
    iou_threshold=-1,
    end_threshold=0.0,
)


@cache
def nano() -> Pipeline:
    return load_pipeline("nano", "cpu")


def picture() -> np.ndarray:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[10:50, 10:40] = (200, 30, 30)
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a generation of three parts has left."""
    path = tmp_path_factory.mktemp("chair")
    generate_from_image(nano(), picture(), output_dir=path, options=QUICK)
    return path


def test_a_part_made_again_takes_its_place_and_the_others_keep_their_files(folder: Path, tmp_path: Path) -> None:
    before = files(folder)
    made = edit(nano(), folder, Resample(parts=(1,), options={"seed": 8}), output_dir=tmp_path)
    after = files(tmp_path)
    assert [name for name in before if before[name] != after[name]] == ["mesh_001.glb"]
    assert (made.manifest.stop_reason, made.manifest.parts[1].seed) == (StopReason.EDITED, 8)
    assert made.manifest.edit == {
        "operation": "resample",
        "parts": [1],
        "options": {"seed": 8},
        "candidates": 1,
    }
    assert made.manifest.parent is not None
    assert made.manifest.parent.latents == hashlib.sha256((folder / LATENTS_FILE).read_bytes()).hexdigest()


def test_the_same_edit_gives_the_same_files_of_a_folder_and_of_a_generation_in_memory(
    folder: Path, tmp_path: Path
) -> None:
    change = Resample(parts=(2, 0))
    edit(nano(), folder, change, output_dir=tmp_path / "one")
    in_memory = generate_from_image(nano(), picture(), options=QUICK)
    edit(nano(), in_memory, change, output_dir=tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert (tmp_path / "one" / LATENTS_FILE).read_bytes()[:8] == (tmp_path / "two" / LATENTS_FILE).read_bytes()[:8]


@pytest.mark.parametrize("first", [1, 2])
def test_going_on_comes_to_what_a_generation_without_the_pause_comes_to(tmp_path: Path, first: int) -> None:
    short = QUICK.model_copy(update={"max_parts": first})
    paused = generate_from_image(nano(), picture(), output_dir=tmp_path, options=short)
    went_on = edit(nano(), tmp_path, Continue(options={"max_parts": 3}))
    whole = generate_from_image(nano(), picture(), options=QUICK)
    assert paused.manifest.stop_reason is went_on.manifest.stop_reason is StopReason.MAX_PARTS
    for one, other in zip(went_on.parts, whole.parts, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
        assert one.facts.seed == other.facts.seed


class StoppedError(Exception):
    """Where an interruption comes."""


def test_an_interrupted_generation_goes_on_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from apg_core.pipeline import local

    draft_file, told = local.draft_file, []

    def interrupted(part: AcceptedPart, **named: int | None) -> object:
        told.append(part)
        if len(told) == 2:
            raise StoppedError
        return draft_file(part, parts_total=None)

    monkeypatch.setattr(local, "draft_file", interrupted)
    with pytest.raises(StoppedError):
        generate_from_image(nano(), picture(), output_dir=tmp_path, options=QUICK)
    monkeypatch.undo()
    assert not (tmp_path / "manifest.json").exists()
    went_on = edit(nano(), tmp_path, Continue(), output_dir=tmp_path)
    whole = generate_from_image(nano(), picture(), options=QUICK)
    assert [part.facts.seed for part in went_on.parts] == [part.facts.seed for part in whole.parts]
    for one, other in zip(went_on.parts, whole.parts, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)


def test_of_several_candidates_the_first_stands_and_any_can_be_picked(folder: Path, tmp_path: Path) -> None:
    edit(nano(), folder, Resample(parts=(1,), candidates=3), output_dir=tmp_path / "several")
    several = files(tmp_path / "several")
    assert [name for name in several if name.startswith("candidate")] == [f"candidate_001_{k}.glb" for k in range(3)]
    assert len(set(several.values())) == 5  # three parts, and two candidates that are none of them
    one = edit(nano(), folder, Resample(parts=(1,)), output_dir=tmp_path / "one")
    assert files(tmp_path / "one")["mesh_001.glb"] == several["mesh_001.glb"]
    made = edit(nano(), tmp_path / "several", Pick(candidate=2), output_dir=tmp_path / "picked")
    assert [part.candidate for part in made.manifest.candidates] == [0, 1, 2]
    chosen, picked = (Earlier.unpack((tmp_path / at / LATENTS_FILE).read_bytes()) for at in ("several", "picked"))
    np.testing.assert_array_equal(chosen.candidates[2].mesh.vertices, picked.parts[1].mesh.vertices)
    assert one.manifest.candidates == ()


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        (Remove(parts=(1,)), [0, 2]),
        (Rename(names={1: "seat"}), [0, 1, 2]),
        (Reorder(order=(2, 0, 1)), [2, 0, 1]),
        (Merge(parts=(2, 0)), [1, 2]),
        (Split(part=1, options={"max_parts": 2}), [0, 1, 3, 2]),
    ],
    ids=lambda value: getattr(value, "operation", None),
)
def test_parts_that_an_edit_leaves_alone_keep_their_index_and_their_file(
    folder: Path, tmp_path: Path, change: Edit, listed: list[int]
) -> None:
    made = edit(nano(), folder, change, output_dir=tmp_path)
    assert indices(made) == listed
    before, after = files(folder), files(tmp_path)
    assert set(after) == {f"mesh_{index:03d}.glb" for index in listed}
    touched = {"merge": {2}, "split": {1, 3}, "rename": {1}}.get(change.operation, set())
    assert {name for name in after if before.get(name) != after[name]} == {f"mesh_{k:03d}.glb" for k in touched}


@pytest.mark.parametrize("change", [Remove(parts=(1,)), Resample(parts=(1,)), Merge(parts=(1, 2))])
def test_parts_that_an_edit_leaves_alone_keep_the_picture_that_is_on_them(tmp_path: Path, change: Edit) -> None:
    options = QUICK.model_copy(update={"appearance": "picture"})
    gradient = picture()
    gradient[10:50, 10:40, 1] = np.arange(40)[:, None] * 5
    made = generate_from_image(nano(), gradient, output_dir=tmp_path / "made", options=options)
    assert made.parts[0].mesh.look is not None
    edited = edit(nano(), tmp_path / "made", change, output_dir=tmp_path / "edited")
    edit(nano(), tmp_path / "edited", Reorder(order=tuple(reversed(indices(edited)))), output_dir=tmp_path / "again")
    before, after = files(tmp_path / "made"), files(tmp_path / "edited")
    assert {name for name in after if before.get(name) != after[name]} <= {"mesh_001.glb"}
    assert files(tmp_path / "again") == after


def test_edits_of_edits_keep_names_and_colours(folder: Path, tmp_path: Path) -> None:
    colours = {part.index: part.colour for part in edit(nano(), folder, Rename(names={2: "leg"})).manifest.parts}
    made = edit(nano(), folder, Rename(names={2: "leg"}), output_dir=tmp_path)
    for change in (Remove(parts=(0,)), Resample(parts=(2,)), Reorder(order=(2, 1))):
        made = edit(nano(), tmp_path, change, output_dir=tmp_path)
    assert [(part.index, part.name, part.colour) for part in made.manifest.parts] == [
        (2, "leg", colours[2]),
        (1, None, colours[1]),
    ]
    assert set(files(tmp_path)) == {"mesh_001.glb", "mesh_002.glb"}


def test_an_edit_in_place_that_fails_leaves_the_folder_as_it_was(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EditError):
        edit(nano(), folder, Remove(parts=(0, 1, 2)), output_dir=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_part_that_no_attempt_finds_stays_as_it_was_and_a_warning_says_so(folder: Path, tmp_path: Path) -> None:
    never = {"end_threshold": 1e9, "duplicate_retries": 0}
    made = edit(nano(), folder, Resample(parts=(1,), options=never), output_dir=tmp_path)
    assert files(tmp_path) == files(folder)
    assert made.manifest.stop_reason is StopReason.NO_NEW_PART
    assert "part 1 stays as it was" in made.manifest.warnings[0]


def test_a_folder_without_the_inputs_wants_the_same_ones_again(folder: Path, tmp_path: Path) -> None:
    for name in (LATENTS_FILE, "manifest.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match=f"has no {INPUTS_FILE}; give image again"):
        edit(nano(), tmp_path, Remove(parts=(0,)))
    with pytest.raises(InputError, match="not the file that the generation was made of"):
        edit(nano(), tmp_path, Remove(parts=(0,)), inputs={"image": 255 - picture()})
    assert indices(edit(nano(), tmp_path, Remove(parts=(0,)), inputs={"image": picture()})) == [1, 2]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give the folder of a generation"):
        edit(nano(), tmp_path, Remove(parts=(0,)))
    (tmp_path / LATENTS_FILE).write_bytes(b"not this")
    with pytest.raises(InputError, match="damaged"):
        edit(nano(), tmp_path, Remove(parts=(0,)))


def test_a_folder_whose_file_was_damaged_since_is_refused(folder: Path, tmp_path: Path) -> None:
    content = bytearray((folder / LATENTS_FILE).read_bytes())
    content[-1000] ^= 1
    (tmp_path / LATENTS_FILE).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        edit(nano(), tmp_path, Remove(parts=(0,)))


def test_what_needs_no_network_loads_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(ModelLoader, "_load", lambda self, network, build, **named: loaded.append(network))
    pipeline = load_at_first_use("nano", "cpu")
    for place, change in enumerate((Rename(names={0: "seat"}), Remove(parts=(1,)), Merge(parts=(0, 2)))):
        edit(pipeline, folder, change, output_dir=tmp_path / str(place))
    edit(pipeline, folder, Reorder(order=(2, 1, 0)), output_dir=tmp_path / "order")
    assert loaded == []
    monkeypatch.undo()
    again = edit(pipeline, folder, Resample(parts=(1,), seed=8), output_dir=tmp_path / "again")
    same = edit(nano(), folder, Resample(parts=(1,), options={"seed": 8}), output_dir=tmp_path / "same")
    assert again.manifest.edit == same.manifest.edit
    assert files(tmp_path / "again") == files(tmp_path / "same")


def test_sampling_with_other_weights_is_refused_and_what_needs_none_is_not(folder: Path) -> None:
    tiny = load_pipeline("tiny", "cpu")
    with pytest.raises(EditError, match="made with preset nano, and tiny is loaded"):
        edit(tiny, folder, Resample(parts=(0,)))
    assert indices(edit(tiny, folder, Remove(parts=(0,)))) == [1, 2]


def test_what_is_kept_of_a_generation_comes_back_exactly(folder: Path) -> None:
    kept = Earlier.unpack((folder / LATENTS_FILE).read_bytes())
    assert kept.pack() == (folder / LATENTS_FILE).read_bytes()
    assert fingerprint(kept) == hashlib.sha256((folder / LATENTS_FILE).read_bytes()).hexdigest()
    assert kept.record.stop_reason is StopReason.MAX_PARTS
    assert kept.prepared is not None


@pytest.mark.parametrize("change", [Resample(parts=(0, 2)), Split(part=1, options={"max_parts": 2})])
def test_an_edit_that_is_resumed_after_any_part_comes_to_the_same_meshes(change: Edit) -> None:
    made = generate_from_image(nano(), picture(), options=QUICK)
    plan = plan_edit(made.earlier.record, change)

    class Told:
        def __init__(self) -> None:
            self.parts: list[AcceptedPart] = []
            self.latent = None

        async def stage(self, stage: object, *, part: int | None = None, attempt: int = 0) -> None:
            pass

        def on_step(self) -> None:
            return None

        async def whole(self, latent: np.ndarray, prepared: object) -> None:
            self.latent = latent

        async def part(self, part: AcceptedPart) -> None:
            self.parts.append(AcceptedPart(part.facts, part.mesh))

        async def region_failed(self, region: object) -> None:
            pass

    def brief(sink: Told) -> Brief:
        return EditBrief(
            prompt=made.prompt,
            options=plan.options,
            preset=nano().preset,
            stages=nano().stages,
            sink=sink,
            earlier=made.earlier,
            plan=plan,
        )

    first = Told()
    whole = run_at_once(carry_out(brief(first)))
    assert len(first.parts) == 2
    for done in (1, 2):
        resume = Resume(whole=first.latent, parts=first.parts[:done])
        again = run_at_once(carry_out(brief(Told()), resume))
        for one, other in zip(whole.parts, again.parts, strict=True):
            assert one.facts == other.facts
            np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)
