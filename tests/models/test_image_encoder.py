"""DINOv2 beside transformers', and what is done with its tokens after its last block."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from apg_core.models.configs import ImageEncoderConfig, NormOut
from apg_core.models.dinov2 import Dinov2
from apg_core.models.image_encoder import IMAGENET_MEAN, IMAGENET_STD, ImageEncoder
from apg_core.presets import load_preset

CONFIG = load_preset("nano").image_encoder
SIZE = CONFIG.input_image_size


@pytest.fixture(scope="module")
def encoders() -> dict[NormOut, ImageEncoder]:
    """The same weights behind each choice, with a last norm that does something."""
    torch.manual_seed(0)
    first = ImageEncoder(CONFIG).eval()
    torch.nn.init.normal_(first.backbone.layernorm.weight)
    torch.nn.init.normal_(first.backbone.layernorm.bias)
    made: dict[NormOut, ImageEncoder] = {"none": first}
    for norm_out in ("layer_norm", "original"):
        made[norm_out] = ImageEncoder(dataclasses.replace(CONFIG, norm_out=norm_out)).eval()
        made[norm_out].load_state_dict(first.state_dict())
    return made


@torch.inference_mode()
def test_each_choice_of_the_last_norm_is_what_it_says(encoders: dict[NormOut, ImageEncoder]) -> None:
    image = torch.rand(2, 3, SIZE, SIZE)
    plain, normed, original = (encoders[choice](image) for choice in ("none", "layer_norm", "original"))
    torch.testing.assert_close(normed, F.layer_norm(plain, (CONFIG.width,)))
    torch.testing.assert_close(normed.mean(-1), torch.zeros(2, CONFIG.num_tokens), atol=1e-5, rtol=0)
    pixels = (image - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    theirs = transformers_own(CONFIG)
    theirs.load_state_dict(encoders["none"].backbone.state_dict())
    torch.testing.assert_close(original, theirs(pixels).last_hidden_state)
    assert not torch.allclose(original, normed, atol=0.1)


def transformers_own(config: ImageEncoderConfig) -> Dinov2WithRegistersModel:
    """The same network as transformers builds it."""
    return Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(
            hidden_size=config.width,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_attention_heads,
            mlp_ratio=config.mlp_ratio,
            patch_size=config.patch_size,
            num_register_tokens=config.num_register_tokens,
            image_size=config.position_image_size,
            layer_norm_eps=1e-6,
        )
    ).eval()


@pytest.mark.parametrize("preset", ["nano", "tiny", "autopartgen-2048"])
def test_the_keys_and_shapes_are_those_of_transformers(preset: str) -> None:
    config = load_preset(preset).image_encoder
    with torch.device("meta"):
        ours, theirs = Dinov2(config).state_dict(), transformers_own(config).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


def test_a_seed_gives_the_weights_that_it_gives_in_transformers() -> None:
    torch.manual_seed(5)
    theirs = transformers_own(CONFIG).state_dict()
    torch.manual_seed(5)
    ours = Dinov2(CONFIG).state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [SIZE, SIZE - 2 * CONFIG.patch_size, CONFIG.position_image_size + CONFIG.patch_size])
@pytest.mark.parametrize("columns", [SIZE, SIZE + CONFIG.patch_size])
@torch.inference_mode()
def test_tokens_are_those_of_transformers_to_the_bit(rows: int, columns: int, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    theirs = transformers_own(CONFIG)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = Dinov2(CONFIG).eval()
    ours.load_state_dict(theirs.state_dict())
    pixels = torch.randn(3, 3, rows, columns).to(dtype)
    expected = theirs.to(dtype)(pixels, output_hidden_states=True).hidden_states[-1]
    assert torch.equal(ours.to(dtype)(pixels), expected)
