"""What is done with DINOv2's tokens after its last block."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from apg_core.models.configs import NormOut
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
    torch.testing.assert_close(original, encoders["none"].backbone(pixels).last_hidden_state)
    assert not torch.allclose(original, normed, atol=0.1)
