"""Image features: DINOv2 with registers, its tokens before the final layer norm.

What they are for: docs/how-it-works.md, "Generation step by step".
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from apg_core.models.configs import ImageEncoderConfig
from apg_core.models.dinov2 import Dinov2
from apg_core.shapes import ImageTokens

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """RGB in [0, 1] to tokens: [class, registers, patches]."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Dinov2(config)

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> ImageTokens:
        """Features of images that have the input size already."""
        mean = image.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
        std = image.new_tensor(IMAGENET_STD).view(3, 1, 1)
        pixels = ((image - mean) / std).to(self.backbone.layernorm.weight.dtype)
        tokens: Tensor = self.backbone(pixels)
        if self.config.norm_out == "original":
            normed: Tensor = self.backbone.layernorm(tokens)
            return normed
        if self.config.norm_out == "layer_norm":
            return F.layer_norm(tokens, tokens.shape[-1:])
        return tokens
