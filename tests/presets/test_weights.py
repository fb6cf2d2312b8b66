"""Weights are found where users of the release have them, and only the file that the config names."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from apg_core.cli import main
from apg_core.errors import WeightsMismatchError, WeightsMissingError
from apg_core.pipeline.loading import ModelLoader
from apg_core.presets import Preset, load_preset
from apg_core.presets.weights import find_weights, sha256_of, weight_hashes, weight_places
from tests.support.release import CONFIG, CONFIG_4096, write_config

DINO = "dinov2_vitl14_reg4_pretrain.pth"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty machine: caches, and a working directory that is nobody's repository."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path


@pytest.fixture
def repository(home: Path) -> Path:
    """A checkout of the release: its config files, no weights."""
    shutil.copytree(CONFIG.parent, home / "release" / "configs")
    return home / "release"


def put(path: Path, content: str = "weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def cached(hub: Path, repository: str, name: str) -> Path:
    """A file in Hugging Face's cache, as `huggingface_hub` lays it out."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    put(folder / "refs" / "main", "abc123")
    return put(folder / "snapshots" / "abc123" / name)


@pytest.mark.parametrize("config", [CONFIG, CONFIG_4096], ids=["2048", "4096"])
@pytest.mark.parametrize("section", ["dit", "vae"])
@pytest.mark.parametrize(
    "where",
    [
        lambda home, name: home / "cwd" / "checkpoints" / name,
        lambda home, name: home / "release" / "configs" / "checkpoints" / name,
        lambda home, name: home / "release" / "checkpoints" / name,
        lambda home, name: home / "checkpoints" / name,
        lambda home, name: home / "fetched" / name,
        lambda home, name: home / "fetched" / "autopartgen" / name,
    ],
    ids=["working directory", "config's folder", "its parent", "the next", "--checkpoints", "where it is fetched to"],
)
def test_the_file_that_a_config_names_is_found(
    home: Path, repository: Path, config: Path, section: str, where: Callable[[Path, str], Path]
) -> None:
    preset = load_preset(repository / "configs" / config.name)
    path = put(where(home, preset.weights[section].files[0]))
    assert find_weights(preset, section, (home / "fetched",)) == path


def test_a_file_of_the_cache_is_found_by_its_own_name(home: Path, repository: Path) -> None:
    preset = load_preset(repository / "configs" / CONFIG_4096.name)
    cached(home / "hub", "facebook/autopartgen", "autopartgen_dit.pth")
    with pytest.raises(WeightsMissingError):
        find_weights(preset, "dit")
    path = cached(home / "hub", "facebook/autopartgen", "autopartgen_dit_4096.pth")
    assert find_weights(preset, "dit") == path


def test_what_comes_first_in_the_order_is_taken(home: Path, repository: Path) -> None:
    preset = load_preset(repository / "configs" / CONFIG.name)
    cached(home / "hub", "facebook/autopartgen", "autopartgen_dit.pth")
    found = [find_weights(preset, "dit", (home / "fetched",))]
    for folder in ("fetched", "release/checkpoints", "cwd/checkpoints"):
        put(home / folder / "autopartgen_dit.pth")
        found.append(find_weights(preset, "dit", (home / "fetched",)))
    assert [path.parent.relative_to(home).parts[0] for path in found] == ["hub", "fetched", "release", "cwd"]
    assert [path for path in weight_places(preset, "dit", (home / "fetched",)) if path in found] == found[::-1]


def test_the_other_size_is_never_taken_in_its_place(home: Path, repository: Path) -> None:
    for folder in ("cwd/checkpoints", "release/checkpoints", "fetched", "fetched/autopartgen"):
        put(home / folder / "autopartgen_dit.pth")
    preset = load_preset(repository / "configs" / CONFIG_4096.name)
    with pytest.raises(WeightsMissingError, match=r"autopartgen_dit_4096\.pth"):
        find_weights(preset, "dit", (home / "fetched",))
    assert {path.name for path in weight_places(preset, "dit")} == {"autopartgen_dit_4096.pth"}


def test_an_absolute_path_is_looked_for_there_and_nowhere_else(home: Path) -> None:
    path = home / "mine" / "autopartgen_dit.pth"
    preset = load_preset(write_config(home / "config.yaml", {"dit.checkpoint_path": str(path)}))
    put(home / "cwd" / "checkpoints" / path.name)
    with pytest.raises(WeightsMissingError, match=f"not in {path.parent}; `apg doctor"):
        find_weights(preset, "dit")
    assert weight_places(preset, "dit") == [path]
    put(path)
    assert find_weights(preset, "dit") == path


def test_a_relative_path_of_ones_own_is_not_looked_for_by_its_last_name(home: Path) -> None:
    preset = load_preset(write_config(home / "config.yaml", {"dit.checkpoint_path": "runs/seven/dit.pth"}))
    put(home / "fetched" / "dit.pth")
    put(home / "cwd" / "checkpoints" / "dit.pth")
    with pytest.raises(WeightsMissingError, match="apg doctor --preset") as caught:
        find_weights(preset, "dit", (home / "fetched",))
    assert "fetch-weights" not in caught.value.message  # nobody publishes it
    path = put(home / "fetched" / "runs" / "seven" / "dit.pth")
    assert find_weights(preset, "dit", (home / "fetched",)) == path


@pytest.mark.parametrize(
    "place",
    [
        f"torch/hub/checkpoints/{DINO}",
        f"release/checkpoints/{DINO}",
        f"fetched/{DINO}",
        "fetched/dinov2-with-registers-large/model.safetensors",
    ],
)
def test_dinov2_is_found_in_torch_hubs_cache_and_in_folders(home: Path, repository: Path, place: str) -> None:
    path = put(home / place)
    assert find_weights(load_preset(repository / "configs" / CONFIG.name), "image_encoder", (home / "fetched",)) == path


def test_torch_hub_without_its_variable_is_in_the_users_cache(
    home: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    path = put(home / ".cache" / "torch" / "hub" / "checkpoints" / DINO)
    assert find_weights(load_preset(repository / "configs" / CONFIG.name), "image_encoder") == path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("folder", ["release/checkpoints/RMBG-1.4", "cwd/checkpoints/RMBG-1.4", "cache"])
def test_rmbg_is_found_in_its_folder_and_in_hugging_faces_cache(
    home: Path, repository: Path, folder: str, name: str
) -> None:
    path = cached(home / "hub", "briaai/RMBG-1.4", name) if folder == "cache" else put(home / folder / name)
    preset = load_preset(repository / "configs" / CONFIG.name)
    assert find_weights(preset, "background").samefile(path)


def test_presets_that_come_along_do_not_look_beside_the_installation() -> None:
    for name in ("tiny", "autopartgen-2048"):
        preset = load_preset(name)
        assert preset.roots == (preset.folder,)


def test_a_config_of_other_sizes_without_a_path_says_which_key_is_missing(home: Path) -> None:
    changes = {"dit": {"num_latents": 1024, "checkpoint_path": None}, "vae.latent_eval_downscale": 32}
    preset = load_preset(write_config(home / "config.yaml", changes))
    with pytest.raises(WeightsMissingError, match=r"set dit\.checkpoint_path in .*config\.yaml"):
        find_weights(preset, "dit")


def loader_of(preset: Preset) -> ModelLoader:
    return ModelLoader(preset, device=torch.device("cpu"))


def test_hashes_are_those_of_the_files_that_are_found(home: Path, repository: Path) -> None:
    dit = put(repository / "checkpoints" / "autopartgen_dit_4096.pth", "one")
    dino = put(home / "torch" / "hub" / "checkpoints" / DINO, "two")
    rmbg = put(home / "cwd" / "checkpoints" / "RMBG-1.4" / "model.safetensors", "three")
    hashes = weight_hashes(load_preset(repository / "configs" / CONFIG_4096.name))
    assert hashes == {"dit": sha256_of(dit), "image_encoder": sha256_of(dino), "background": sha256_of(rmbg)}


def fetched(path: Path, content: str) -> Path:
    """A file as `hf download --local-dir` leaves it: its hash is noted beside it."""
    put(path, content)
    put(path.parent / ".cache/huggingface/download" / f"{path.name}.metadata", f"abc123\n{sha256_of(path)}\n17.5\n")
    return path


def test_two_fetched_files_that_changed_their_names_are_an_error(home: Path, repository: Path) -> None:
    small = fetched(repository / "checkpoints" / "autopartgen_dit.pth", "small")
    large = fetched(repository / "checkpoints" / "autopartgen_dit_4096.pth", "large")
    preset = load_preset(repository / "configs" / CONFIG_4096.name)
    assert weight_hashes(preset)["dit"] == sha256_of(large)
    shutil.copy(small, large)
    with pytest.raises(
        WeightsMismatchError, match=r"autopartgen_dit_4096\.pth has the content of autopartgen_dit\.pth"
    ):
        weight_hashes(preset)


def test_doctor_says_what_it_found_where_and_what_is_missing(
    home: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = repository / "configs" / CONFIG_4096.name
    dit = put(repository / "checkpoints" / "autopartgen_dit_4096.pth", "1234567")
    dino = put(home / "torch" / "hub" / "checkpoints" / DINO)
    rmbg = cached(home / "hub", "briaai/RMBG-1.4", "model.safetensors")
    assert main(["doctor", "--preset", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  4096 latent tokens, 50 steps of DPMSolverMultistepScheduler" in lines
    assert "  weights are held in bf16 on a GPU, in fp32 on a CPU" in lines
    assert f"  dit: {dit} (7 bytes)" in lines
    assert f"  image_encoder: {dino} (7 bytes)" in lines
    assert f"  background: {rmbg} (7 bytes)" in lines
    looked = lines.index("  vae: missing; looked for")
    places = [home / "cwd" / "checkpoints", repository / "configs" / "checkpoints", repository / "checkpoints"]
    assert lines[looked + 1 : looked + 4] == [f"    {place}: autopartgen_vae.pth" for place in places]
    assert lines[-1] == f"  weights missing (vae); run `apg fetch-weights {config}`"


def test_doctor_has_a_line_for_each_folder_that_it_looked_into(
    home: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--preset", str(repository / "configs" / CONFIG.name)]) == 0
    folder = repository / "checkpoints" / "RMBG-1.4"
    assert f"    {folder}: model.safetensors, pytorch_model.bin" in capsys.readouterr().out.splitlines()
