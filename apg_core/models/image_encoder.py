"""Image features: DINOv2 with registers, its tokens before the final layer norm.

What they are for: docs/how-it-works.md, "Generation step by step".
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from apg_core.models.configs import ImageEncoderConfig
from apg_core.shapes import ImageTokens

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """RGB in [0, 1] to tokens: [class, registers, patches]."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        # Imported here: it takes seconds, and whoever reads a preset needs the sizes only.
        from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

        super().__init__()
        self.config = config
        self.backbone = Dinov2WithRegistersModel(
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
        )

    def forward(self, image: Float[Tensor, "B 3 H W"]) -> ImageTokens:
        """Features of images that have the input size already."""
        mean = image.new_tensor(IMAGENET_MEAN).view(3, 1, 1)
        std = image.new_tensor(IMAGENET_STD).view(3, 1, 1)
        pixels = ((image - mean) / std).to(self.backbone.dtype)
        tokens: Tensor = self.backbone(pixels, output_hidden_states=True).hidden_states[-1]
        if self.config.norm_out == "original":
            return self.backbone.layernorm(tokens)
        if self.config.norm_out == "layer_norm":
            return F.layer_norm(tokens, tokens.shape[-1:])
        return tokens
