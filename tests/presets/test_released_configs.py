"""Config files of the published release load as they are, and every value that is edited counts or is refused."""

import dataclasses
import json
import logging
import shutil
from pathlib import Path
from typing import get_args

import pytest
import torch
import yaml

from apg_core.diffusion.schedule import Schedule, SolverName
from apg_core.errors import PresetError
from apg_core.geometry.values import SurfaceSampling
from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.loading import ModelLoader
from apg_core.presets import load_preset
from apg_core.presets.sections import FloatPrecision
from apg_core.protocol.options import GenerationOptions, GuidanceScales
from tests.support.release import CONFIG, CONFIG_4096, write_config

KEYS = json.loads((Path(__file__).parents[1] / "data" / "parity" / "full_keys.json").read_text())
MASKED = GuidanceScales(5.0, 5.0)


@pytest.fixture(params=["by path", "by copy"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder that has both files."""
    if request.param == "by path":
        return CONFIG.parent
    return Path(shutil.copytree(CONFIG.parent, tmp_path / "somewhere" / "else"))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("name", "latents", "denoiser", "image", "mesh"),
    [
        ("default.yaml", 2048, "autopartgen_dit.pth", (0.0, 2.0), (0.0, 2.0)),
        ("default_4096.yaml", 4096, "autopartgen_dit_4096.pth", (2.0, 2.0), (0.0, 3.0)),
    ],
)
def test_a_released_file_says_exactly_what_it_says(
    place: Path,
    name: str,
    latents: int,
    denoiser: str,
    image: tuple[float, float],
    mesh: tuple[float, float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    preset = load_preset(place / name)
    assert warnings_of(caplog) == []
    assert preset.schedule == Schedule(num_inference_timesteps=50)
    assert preset.complete(GenerationOptions()).num_inference_steps == 50
    assert preset.float_precision == "bfloat16"
    assert preset.surface == SurfaceSampling(presamples=500_000, candidates=65_536, points=32_768, latents=latents)
    assert preset.latent_scale == 1.268390
    assert preset.end_threshold == 0.1
    assert preset.whole_guidance == 7.0
    assert preset.guidance == {
        "image": GuidanceScales(*image),
        "mesh": GuidanceScales(*mesh),
        "image_mesh": GuidanceScales(0.0, 2.0),
        "image_mask": MASKED,
        "image_mesh_mask": MASKED,
    }
    encoder = preset.image_encoder
    assert (encoder.input_image_size, encoder.position_image_size, encoder.norm_out) == (448, 518, "none")
    assert (encoder.width, encoder.num_layers, encoder.num_attention_heads, encoder.num_tokens) == (1024, 24, 16, 1029)
    assert preset.weights["dit"].path == Path("checkpoints") / denoiser
    assert preset.weights["vae"].path == Path("checkpoints/autopartgen_vae.pth")
    assert "dinov2_vitl14_reg4_pretrain.pth" in preset.weights["image_encoder"].files
    assert preset.weights["background"].repository == "briaai/RMBG-1.4"


@pytest.mark.parametrize("file", [CONFIG, CONFIG_4096], ids=["2048", "4096"])
def test_networks_of_a_released_file_have_the_published_keys_and_shapes(file: Path) -> None:
    preset = load_preset(file)
    with torch.device("meta"):
        networks = {"dit": PartDit(preset.dit), "vae": ShapeVae(preset.vae)}
        encoder = ImageEncoder(preset.image_encoder)
    for name, network in networks.items():
        assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == KEYS[name]
    positions = encoder.state_dict()["backbone.embeddings.position_embeddings"]
    assert positions.shape == (1, 1 + 37 * 37, 1024)


@pytest.mark.parametrize(("name", "file"), [("autopartgen-2048", CONFIG), ("autopartgen-4096", CONFIG_4096)])
def test_the_presets_that_come_along_are_the_released_files(name: str, file: Path) -> None:
    ours = yaml.safe_load((Path(load_preset(name).folder) / "preset.yaml").read_text())
    del ours["preset"]
    assert ours == yaml.safe_load(file.read_text())


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({"guidance.whole_cfg_scale": 3.5}, lambda preset: preset.whole_guidance == 3.5),
        ({"guidance.mesh": {"geometry_cfg_scale": 4}}, lambda p: p.guidance["mesh"] == GuidanceScales(0.0, 4.0)),
        ({"guidance": {"image": {}}}, lambda p: p.guidance["image"] == GuidanceScales(0.0, 2.0)),
        ({"scheduler.num_inference_timesteps": 20}, lambda p: p.defaults["num_inference_steps"] == 20),
        ({"scheduler.algorithm_type": "dpmsolver++"}, lambda p: p.schedule.algorithm_type == "dpmsolver++"),
        ({"scheduler.beta_end": 0.02}, lambda preset: preset.schedule.beta_end == 0.02),
        ({"float_precision": "float16"}, lambda p: (p.precision_on("cuda"), p.precision_on("cpu")) == ("fp16", "fp32")),
        ({"float_precision": "float32"}, lambda preset: preset.precision_on("cuda") == "fp32"),
        ({"conditioner.norm_out": "original"}, lambda preset: preset.image_encoder.norm_out == "original"),
        ({"conditioner.img_size": 518}, lambda preset: preset.image_encoder.input_image_size == 518),
        ({"dit.scale_factor": 1.5}, lambda preset: preset.latent_scale == 1.5),
        ({"dit.checkpoint_path": "/data/mine.pth"}, lambda p: p.weights["dit"].path == Path("/data/mine.pth")),
        ({"vae.checkpoint_path": "runs/vae.pth"}, lambda p: p.weights["vae"].path == Path("runs/vae.pth")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_edited_value_takes_effect(tmp_path: Path, changes: dict, read: object) -> None:
    preset = load_preset(write_config(tmp_path / "edited.yaml", changes))
    assert read(preset)  # type: ignore[operator]


@pytest.mark.parametrize(
    "name",
    [name for name in get_args(SolverName) if name not in ("DPMSolverMultistepScheduler", "PNDMScheduler")],
)
def test_an_edited_scheduler_is_built_and_a_key_it_does_not_read_is_named(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    preset = load_preset(write_config(tmp_path / "edited.yaml", {"scheduler.class_name": name}))
    assert preset.schedule.class_name == name
    assert len(preset.schedule.solver(4).timesteps) == 4
    assert [f"{name} does not read scheduler.algorithm_type" in text for text in warnings_of(caplog)] == [True]


def test_pndm_takes_a_schedule_that_does_not_end_in_pure_noise(tmp_path: Path) -> None:
    changes = {"scheduler": {"class_name": "PNDMScheduler", "rescale_betas_zero_snr": False}}
    preset = load_preset(write_config(tmp_path / "edited.yaml", changes))
    assert preset.schedule.class_name == "PNDMScheduler"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"scheduler.class_name": "PNDMScheduler"},
            "scheduler: rescale_betas_zero_snr True cannot be honoured by PNDM",
        ),
        ({"scheduler.class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler"),
        ({"scheduler.class_name": "LCMScheduler"}, "scheduler.class_name: .*'LCMScheduler'"),
        ({"scheduler.algorithm_type": "euler"}, "scheduler.algorithm_type: .*'euler'"),
        ({"scheduler.beta_schedule": "cosine"}, "scheduler.beta_schedule: .*'cosine'"),
        ({"scheduler.prediction_type": "flow"}, "scheduler.prediction_type: .*'flow'"),
        ({"scheduler.timestep_spacing": "even"}, "scheduler.timestep_spacing: .*'even'"),
        ({"scheduler.clip_sample": True}, "clip_sample True cannot be honoured"),
        ({"scheduler.shift": 3.0}, "shift 3.0 cannot be honoured"),
        ({"scheduler.variance_type": "learned"}, "scheduler.variance_type: .*'learned'"),
        ({"scheduler.num_inference_timesteps": 0}, "scheduler.num_inference_timesteps: .*0"),
        ({"float_precision": "float8"}, "float_precision: .*'float8'"),
        ({"conditioner.model_name": "dinov2_vitg14_reg"}, "conditioner.model_name: .*'dinov2_vitg14_reg'"),
        ({"conditioner.model_name": "dinov2_vits14_reg"}, "dit.cross_attention_dim .* 1024 and 384"),
        ({"conditioner.norm_out": "batch_norm"}, "conditioner.norm_out: .*'batch_norm'"),
        ({"conditioner.img_size": 450}, "conditioner.img_size must be a multiple of .* 14, got 450; try 448"),
        ({"guidance.image.image_cfg_scale": -1}, "guidance.image.image_cfg_scale: .*-1"),
        ({"dit.latent_dim": 32}, "dit.latent_dim and dit.in_channels must agree, got 32 and 64"),
        ({"dit.use_part_position_embedding": False}, "dit.use_part_position_embedding: .*False"),
        ({"dit.latent_on_spatial": True}, "dit.latent_on_spatial: .*True"),
        ({"dit.mlp_encode_cond": False}, "dit.mlp_encode_cond: .*False"),
        ({"dit.part_as_concat": True}, "dit.part_as_concat: .*True"),
        ({"dit.use_diffusion_forcing": False}, "dit.use_diffusion_forcing: .*False"),
        ({"dit.scale_factor": 0}, "dit.scale_factor: .*0"),
        ({"dit.num_latents": 4096}, "vae.point_cloud_size / vae.latent_eval_downscale must be dit.num_latents"),
        ({"vae.latent_channels": 32}, "vae.latent_channels and dit.in_channels must agree, got 32 and 64"),
    ],
    ids=lambda value: "=".join(map(str, *value.items())) if isinstance(value, dict) else "",
)
def test_a_value_that_cannot_be_honoured_is_refused_by_name(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(PresetError, match=words):
        load_preset(write_config(tmp_path / "edited.yaml", changes))


@pytest.mark.parametrize(
    ("file", "wrong", "right"),
    [
        (CONFIG_4096, "autopartgen_dit.pth", "autopartgen_dit_4096.pth"),
        (CONFIG, "autopartgen_dit_4096.pth", "autopartgen_dit.pth"),
    ],
)
def test_the_published_weights_of_the_other_size_are_refused(
    tmp_path: Path, file: Path, wrong: str, right: str
) -> None:
    with pytest.raises(PresetError, match=f"names {wrong}.*; take {right}"):
        load_preset(write_config(tmp_path / "edited.yaml", {"dit.checkpoint_path": f"elsewhere/{wrong}"}, file))


@pytest.mark.parametrize(("file", "name"), [(CONFIG, "autopartgen_dit.pth"), (CONFIG_4096, "autopartgen_dit_4096.pth")])
def test_a_config_that_names_no_weights_means_those_of_its_own_size(tmp_path: Path, file: Path, name: str) -> None:
    preset = load_preset(write_config(tmp_path / "edited.yaml", {"dit.checkpoint_path": None}, file))
    assert preset.weights["dit"].files == (name,)


def test_guidance_that_is_left_out_is_that_of_2048_latents_whatever_the_size(tmp_path: Path) -> None:
    left_out = {"image_cfg_scale": None, "geometry_cfg_scale": None}
    preset = load_preset(write_config(tmp_path / "edited.yaml", {"guidance.mesh": left_out}, CONFIG_4096))
    assert preset.guidance["mesh"] == GuidanceScales(0.0, 2.0)
    assert preset.guidance["image"] == GuidanceScales(2.0, 2.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scheduler.beta_strat": 0.1}, "nothing reads scheduler.beta_strat; did you mean scheduler.beta_start?"),
        ({"float_precison": "float32"}, "nothing reads float_precison; did you mean float_precision?"),
        ({"guidance.imgae": {}}, "nothing reads guidance.imgae; did you mean guidance.image?"),
        (
            {"guidance.image.image_cfg": 1},
            "nothing reads guidance.image.image_cfg; did you mean guidance.image.image_cfg_scale?",
        ),
        ({"optimizer": {"lr": 1}}, "nothing reads optimizer"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_key_that_nothing_reads_is_a_warning_with_its_name(
    tmp_path: Path, changes: dict, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_config(tmp_path / "edited.yaml", changes)
    load_preset(path)
    assert warnings_of(caplog) == [f"{path}: {sentence}"]


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    path = write_config(
        tmp_path / "edited.yaml", {"float_precision": "float8", "dit": {"part_as_concat": True, "width": None}}
    )
    with pytest.raises(PresetError, match=r"float_precision: .*dit.width: .*dit.part_as_concat: "):
        load_preset(path)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("bfloat16", torch.bfloat16), ("float16", torch.float16), ("float32", torch.float32)],
)
def test_weights_are_held_in_the_precision_that_the_file_says_but_on_a_cpu(
    precision: FloatPrecision, dtype: torch.dtype
) -> None:
    preset = dataclasses.replace(load_preset("nano"), float_precision=precision)
    # torch's meta device stands for a GPU here: whatever is no CPU.
    for device, held in (("meta", dtype), ("cpu", torch.float32)):
        loader = ModelLoader(preset, device=torch.device(device))
        for network in (loader.denoiser(), loader.vae(), loader.image_encoder()):
            assert {parameter.dtype for parameter in network.parameters()} == {held}
