"""A folder of the release with small sizes runs as it is: config file, `.pth` weights under the published keys."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from huggingface_hub import constants
from PIL import Image

from apg_core.cli import main
from apg_core.pipeline.loading import ModelLoader
from apg_core.presets import load_preset
from apg_core.presets.weights import sha256_of
from cluster.models import Models
from deployments.replicas.networks import loader
from deployments.settings import ModelSettings
from tests.support.release import small_release

DINO = "dinov2_vits14_reg4_pretrain.pth"
QUICK = ["--grid_size", "16", "--iou_grid_size", "32", "--iou_threshold", "-1", "--max_parts", "1", "--no_preview"]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("user")
    small_release(root / "release", root / "torch" / "hub" / "checkpoints")
    trimesh.creation.box((1, 2, 1)).export(root / "box.glb")
    picture = np.full((80, 60, 4), 255, np.uint8)
    picture[:20, :, 3] = 0
    Image.fromarray(picture).save(root / "picture.png")
    return root


@pytest.fixture(autouse=True)
def machine(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(release / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def generate(release: Path, config: Path, output: Path, *flags: str) -> dict:
    arguments = ["--config", str(config), "--device", "cpu", "--output_path", str(output), *QUICK, *flags]
    assert main(["generate", "--mesh", str(release / "box.glb"), *arguments]) == 0
    return json.loads((output / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("config", "denoiser"), [("default", "autopartgen_dit.pth"), ("default_4096", "autopartgen_dit_4096.pth")]
)
def test_a_released_config_runs_with_the_weights_that_it_names(
    release: Path, tmp_path: Path, config: str, denoiser: str
) -> None:
    manifest = generate(release, release / "release" / "configs" / f"{config}.yaml", tmp_path / "out")
    checkpoints = release / "release" / "checkpoints"
    assert manifest["weights"] == {
        "dit": sha256_of(checkpoints / denoiser),
        "vae": sha256_of(checkpoints / "autopartgen_vae.pth"),
        "image_encoder": sha256_of(release / "torch" / "hub" / "checkpoints" / DINO),
    }
    assert manifest["options"]["num_inference_steps"] == 3  # the config's num_inference_timesteps
    assert manifest["preset"] == config
    assert not manifest["random_weights"]
    assert (tmp_path / "out" / "mesh_000.glb").is_file()


def test_a_picture_goes_through_dinov2_of_torch_hub(release: Path, tmp_path: Path) -> None:
    picture = ["--image", str(release / "picture.png")]
    manifest = generate(release, release / "release" / "configs" / "default.yaml", tmp_path / "out", *picture)
    assert manifest["mode"] == "image_mesh"
    assert len(manifest["parts"]) == 1


def test_what_a_config_has_made_is_edited_with_that_config(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = release / "release" / "configs" / "default.yaml"
    generate(release, config, tmp_path / "out")
    change = ["edit", str(tmp_path / "out"), "--rename", "0=box", "--in_place"]
    assert main(change) != 0
    assert "was made with a config file, default: name it with --config" in capsys.readouterr().err
    assert main([*change, "--config", str(config)]) == 0
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["parts"][0]["name"] == "box"


def test_swapped_denoisers_are_noticed_and_visible_in_the_manifest(
    release: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    swapped = Path(shutil.copytree(release / "release", tmp_path / "swapped"))
    one, other = (swapped / "checkpoints" / name for name in ("autopartgen_dit.pth", "autopartgen_dit_4096.pth"))
    right = {path: sha256_of(path) for path in (one, other)}
    one.rename(swapped / "between")
    other.rename(one)
    (swapped / "between").rename(other)
    manifest = generate(release, swapped / "configs" / "default_4096.yaml", tmp_path / "out")
    assert manifest["weights"]["dit"] == right[one] != right[other]
    warned = [record.getMessage() for record in caplog.records if "was saved as" in record.getMessage()]
    assert warned == [f"dit: {other} was saved as autopartgen_dit.pth: make sure that it is not another preset's"]


def test_service_and_batch_find_the_same_files(release: Path) -> None:
    config = release / "release" / "configs" / "default_4096.yaml"
    here = ModelLoader(load_preset(config), device=torch.device("cpu"))
    others = (
        loader(ModelSettings(preset=str(config), threads=1)),
        Models(preset=str(config), device="cpu", checkpoints=Path("checkpoints").absolute()).loader(),
    )
    for other in others:
        assert other.provenance(inputs={}).weights == here.provenance(inputs={}).weights
        assert torch.equal(other.denoiser().proj_in.weight, here.denoiser().proj_in.weight)
