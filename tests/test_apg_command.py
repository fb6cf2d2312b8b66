"""The `apg` command as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from apg_core.cli import main

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
