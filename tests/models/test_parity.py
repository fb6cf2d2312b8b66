"""The networks equal the published ones: every case of the parity folder, and the state dicts at release size."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from apg_core.diffusion.guidance import GuidedInput, part_rows
from apg_core.diffusion.trajectories import Trajectory
from apg_core.models.background import BackgroundNet
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.parity.case import CaseResult, tolerance_on
from apg_core.parity.verify import verify
from apg_core.presets import load_preset
from apg_core.protocol.options import GuidanceScales

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    return list(verify(PARITY, device=torch.device("cpu")))


def test_every_parity_case_is_there_and_within_its_tolerance(results: list[CaseResult]) -> None:
    assert len(results) == 35
    assert [str(result) for result in results if result.error is None or not result.passed] == []


def test_a_case_that_is_off_fails_and_a_missing_one_does_not() -> None:
    assert not CaseResult("a", 1e-5, 2e-5).passed
    assert not CaseResult("a", 1e-5, float("nan")).passed
    assert CaseResult("a", 1e-5, None).passed


def test_a_folder_need_not_have_every_case_and_one_that_is_not_known_is_named(tmp_path: Path) -> None:
    tensors = load_file(PARITY / "nano" / "cases.safetensors")
    kept = {name: tensors[name] for name in tensors if name.startswith("fps.")}
    lonely = {"dino.out.features": tensors["dino.out.features"], "dit.out.new": torch.zeros(1)}
    save_file({**kept, **lonely}, tmp_path / "cases.safetensors")
    shutil.copy(PARITY / "nano" / "config.yaml", tmp_path)
    for weights in (PARITY / "nano").glob("*.pth"):
        shutil.copy(weights, tmp_path)
    by_name = {result.name: result for result in verify(tmp_path, device=torch.device("cpu"))}
    assert by_name["fps.indices_start5_k100"].error == 0
    assert str(by_name["dino.features"]) == "skip  dino.features: dino.in.image01 is not in this folder"
    assert str(by_name["dit.out.new"]) == "skip  dit.out.new: no case of this version"
    assert {result.error for name, result in by_name.items() if not name.startswith("fps.")} == {None}


@pytest.mark.parametrize("preset", ["autopartgen-2048", "autopartgen-4096"])
def test_state_dicts_at_release_size_are_the_published_ones(preset: str) -> None:
    expected = json.loads((PARITY / "full_keys.json").read_text())
    sizes = load_preset(preset)
    with torch.device("meta"):
        networks = {"dit": PartDit(sizes.dit), "vae": ShapeVae(sizes.vae)}
    for name, network in networks.items():
        assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == expected[name]


def test_background_state_dict_is_the_published_one() -> None:
    expected = json.loads((PARITY / "rmbg_keys.json").read_text())
    with torch.device("meta"):
        network = BackgroundNet()
    assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == expected


def test_noise_can_be_drawn_on_another_device_than_it_is_used_on() -> None:
    preset = load_preset("nano")
    with torch.device("meta"):
        denoiser = PartDit(preset.dit).eval()
        images = torch.zeros(1, 5, 2 * preset.dit.image_width)
        geometry = torch.zeros(2, 2, preset.num_latents, preset.dit.latent_channels)
    guided = GuidedInput(images, geometry, part_rows(GuidanceScales(0, 1)))
    trajectory = Trajectory(
        denoiser, guided, schedule=preset.schedule, steps=2, seed=0, noise_device=torch.device("cpu")
    )
    assert trajectory.latents.device.type == "meta"
    with pytest.raises(RuntimeError):  # nobody can draw on this device
        Trajectory(denoiser, guided, schedule=preset.schedule, steps=2, seed=0)


def test_tolerances_are_wider_on_a_gpu_and_nothing_exact_becomes_inexact() -> None:
    assert tolerance_on(torch.device("cpu"), 1e-5) == 1e-5
    assert tolerance_on(torch.device("cuda"), 1e-5) == 4e-5
    assert tolerance_on(torch.device("cuda"), 0.0) == 0.0


def test_verifying_leaves_the_precision_of_products_as_it_was() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        next(results := verify(PARITY, device=torch.device("cpu")))
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
        results.close()  # type: ignore[attr-defined]
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
