"""The `apg` command as a user runs it."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from apg_core.cli import main
from apg_core.errors import OptionError
from apg_core.flags import add_option_flags, chosen_options

PARITY = Path(__file__).parent / "data" / "parity"


@pytest.fixture(scope="module")
def mesh_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inputs") / "box.glb"
    trimesh.creation.box((1, 2, 1)).export(path)
    return path


def generate(mesh_file: Path, output: Path, *flags: str) -> int:
    return main(["generate", "--preset", "nano", "--mesh", str(mesh_file), "--output_path", str(output), *flags])


def test_generate_leaves_parts_and_a_manifest_and_warns_of_random_weights(
    mesh_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(mesh_file, tmp_path / "out", "--max_parts", "2", "--no_preview", "--grid-size", "16") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "inputs.npz",
        "latents.safetensors",
        "manifest.json",
        "mesh_000.glb",
        "mesh_001.glb",
        "mesh_combined.glb",
    ]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["options"]["grid_size"] == 16
    assert manifest["inputs"]["mesh"]["name"] == "box.glb"
    printed = capsys.readouterr()
    assert "2 parts" in printed.out
    assert "random" in printed.err


def test_nobody_reads_what_it_prints() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    apg = Path(sys.executable).with_name("apg")
    ran = subprocess.run([apg, "doctor"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.parametrize("flag", ["-o", "--output", "--output-dir"])
def test_the_folder_s_flag_may_be_short(mesh_file: Path, tmp_path: Path, flag: str) -> None:
    quick = ["--max_parts", "1", "--no_preview", "--grid-size", "16"]
    assert main(["generate", "--preset", "nano", "--mesh", str(mesh_file), flag, str(tmp_path / "out"), *quick]) == 0
    assert (tmp_path / "out" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--grid_size", "100"], "try 128"),
        (["--geometry_cfg_scale", "-1"], "geometry_cfg_scale"),
        (["--seed", "x"], "seed"),
        (["--mask", "missing.png"], "image"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    mesh_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert generate(mesh_file, tmp_path / "out", *flags) == 2
    error = capsys.readouterr().err
    assert words in error.splitlines()[-1]
    assert "Traceback" not in error


def test_missing_weights_are_exit_code_1_with_the_command_to_run(
    mesh_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["generate", "--preset", "autopartgen-4096", "--mesh", str(mesh_file), "--output_path", str(tmp_path)]
    assert main([*arguments, "--checkpoints", str(tmp_path)]) == 1
    assert "apg fetch-weights autopartgen-4096" in capsys.readouterr().err


def test_a_published_config_is_loaded_by_its_path(
    mesh_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = PARITY / "nano" / "config.yaml"
    arguments = ["generate", "--config", str(config), "--mesh", str(mesh_file), "--output_path", str(tmp_path)]
    assert main(arguments) == 1  # its weights are elsewhere, and it says where it looked
    assert f"apg fetch-weights {config}" in capsys.readouterr().err


def test_verify_prints_a_line_a_case_and_fails_on_a_wrong_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(PARITY), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "ok    dit.pred_sigma: " in printed
    assert "FAIL" not in printed
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["verify", str(empty)]) == 1
    assert "no parity cases" in capsys.readouterr().err


def test_doctor_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for name in ("tiny", "nano", "autopartgen-2048", "autopartgen-4096"):
        assert f"preset {name}: " in printed


def test_an_image_that_is_not_there_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate", "--preset", "nano", "--image", str(tmp_path / "no.png"), "--output_path", str(tmp_path)]
    assert main(arguments) == 2
    assert "no.png" in capsys.readouterr().err


def test_a_blank_image_without_foreground_still_ends_with_a_reason(tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(tmp_path / "blank.png")
    output = tmp_path / "out"
    arguments = ["generate", "--preset", "nano", "--image", str(tmp_path / "blank.png"), "--output_path", str(output)]
    assert main([*arguments, "--no_preview", "--max_parts", "1"]) == 0
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["warnings"]
    assert manifest["stop_reason"] == "max_parts"


@pytest.mark.parametrize(("flags", "fitted"), [([], True), (["--no_fit_to_mesh"], False), (["--fit-to-mesh"], True)])
def test_a_switch_that_the_preset_has_on_can_be_turned_off(
    mesh_file: Path, tmp_path: Path, flags: list[str], fitted: bool
) -> None:
    small = ["--max_parts", "1", "--best_of", "1", "--num_inference_steps", "2", "--grid_size", "16", "--no_preview"]
    output = tmp_path / "out"
    assert main(["generate", "--mesh", str(mesh_file), "--output_path", str(output), *small, *flags]) == 0
    assert json.loads((output / "manifest.json").read_text())["options"]["fit_to_mesh"] is fitted


@pytest.mark.parametrize(
    ("flag", "option", "value"),
    [
        (["--part_cfg_scale", "3"], "image_cfg_scale", 3),
        (["--no_postprocess"], "postprocess", False),
        (["--no-post"], "postprocess", False),
        (["--no_coarse_bbox"], "use_coarse_bbox", False),
        (["--no_use_coarse_bbox"], "use_coarse_bbox", False),
        (["--simplify_faces", "-1"], "simplify_faces", 0),
        (["--simplify_faces", "None"], "simplify_faces", 0),
    ],
)
def test_flags_of_the_published_script_mean_what_they_meant(flag: list[str], option: str, value: object) -> None:
    parser = argparse.ArgumentParser()
    add_option_flags(parser)
    chosen = chosen_options(parser.parse_args(flag))
    assert chosen.model_fields_set == {option}
    assert getattr(chosen, option) == value


def test_the_published_script_s_variables_are_defaults_of_flags() -> None:
    parser = argparse.ArgumentParser()
    add_option_flags(parser)
    variables = {"APG_SIMPLIFY_AGG": "4", "APG_FLOAT_RATIO": "0.2"}
    chosen = chosen_options(parser.parse_args(["--simplify_aggressiveness", "2"]), variables)
    assert (chosen.simplify_aggressiveness, chosen.floater_share) == (2, 0.2)
    with pytest.raises(OptionError, match="floater_share"):
        chosen_options(parser.parse_args([]), {"APG_FLOAT_RATIO": "2"})


@pytest.mark.parametrize("flag", ["--output_dir", "--output-dir", "--output_path"])
def test_the_output_folder_has_the_published_script_s_names_and_default(
    mesh_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    arguments = ["generate", "--preset", "nano", "--mesh", str(mesh_file), "--max_parts", "1", "--no_preview"]
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, flag, "elsewhere"]) == 0
    assert (tmp_path / "elsewhere" / "mesh_000.glb").is_file()
    assert main(arguments) == 0
    assert (tmp_path / "outputs" / "mesh_000.glb").is_file()


def test_a_mistyped_flag_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["generate", "--mesh", "a.glb", "--gird_size", "64"])
    assert ended.value.code == 2
    assert "unknown argument --gird_size; did you mean --grid_size?" in capsys.readouterr().err


def test_help_shows_the_defaults_of_the_preset_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for preset in ([], ["--preset", "nano"], ["--config", str(PARITY / "nano" / "config.yaml")]):
        with pytest.raises(SystemExit):
            main(["generate", *preset, "--help"])
        shown.append(" ".join(capsys.readouterr().out.split()))
    tiny, nano, published = shown
    assert "defaults of preset tiny" in tiny
    assert "guidance in each mode: apg doctor --preset tiny" in tiny
    assert "of one trajectory. [6]" in tiny
    assert "of one trajectory. [4]" in nano
    assert "a power of two. [256]" in published


QUICK = ("--grid_size", "16", "--num_inference_steps", "2", "--no_preview", "--iou_threshold", "-1")


def test_edit_changes_a_folder_that_generate_left(
    mesh_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert generate(mesh_file, here, "--max_parts", "2", *QUICK) == 0
    assert main(["edit", str(here), "--resample", "1", "--seed", "9", "--output_path", str(there)]) == 0
    assert "parts 0, 1 in" in capsys.readouterr().out  # with the preset that made it
    assert (here / "mesh_000.glb").read_bytes() == (there / "mesh_000.glb").read_bytes()
    assert main(["edit", str(there), "--rename", "0=seat", "1=back", "--in_place"]) == 0
    parts = json.loads((there / "manifest.json").read_text())["parts"]
    assert [(part["name"], part["seed"]) for part in parts] == [("seat", parts[0]["seed"]), ("back", 9)]
    assert main(["edit", str(there), "--remove", "5", "--in_place"]) == 2
    assert "there is no part 5; there are 0, 1" in capsys.readouterr().err
    assert main(["edit", str(there), "--remove", "0", "--candidates", "2", "--in_place"]) == 2
    assert "candidates is no field of this edit" in capsys.readouterr().err
    assert main(["edit", str(there), "--remove", "0", "--seed", "2", "--in_place"]) == 2
    assert "remove takes no generation options; leave out seed" in capsys.readouterr().err


def test_mask_writes_as_many_regions_as_are_asked_for(tmp_path: Path) -> None:
    picture = np.full((60, 60, 3), 255, np.uint8)
    picture[10:30, 10:50], picture[30:50, 10:50] = (200, 0, 0), (0, 0, 200)
    Image.fromarray(picture).save(tmp_path / "flag.png")
    assert main(["mask", str(tmp_path / "flag.png"), "-o", str(tmp_path / "mask.png"), "--regions", "2"]) == 0
    labels = np.asarray(Image.open(tmp_path / "mask.png"))
    assert len({int(labels[20, 30]), int(labels[40, 30]), int(labels[0, 0])}) == 3
