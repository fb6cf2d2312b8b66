"""Sizes of the networks; no torch here, so that reading a preset costs nothing."""

from dataclasses import dataclass
from typing import Literal

NormOut = Literal["none", "layer_norm", "original"]


@dataclass(frozen=True, kw_only=True)
class PartDitConfig:
    """Sizes of the network; the published ones are C 64, D 2048, 21 blocks, 16 heads, X 1024, 10."""

    latent_channels: int
    width: int
    num_layers: int
    num_attention_heads: int
    image_width: int
    token_cross_attention_layer: int


@dataclass(frozen=True, kw_only=True)
class ShapeVaeConfig:
    """Sizes of the network; layers count the self-attention blocks (published: C 64, 8 heads, 512, 1024, 8, 16)."""

    latent_channels: int
    num_attention_heads: int
    encoder_width: int
    decoder_width: int
    num_layers_encoder: int
    num_layers_decoder: int


@dataclass(frozen=True, kw_only=True)
class ImageEncoderConfig:
    """Sizes; the published encoder is ViT-L/14: 1024, 24, 16, 4, made for 518 pixels and fed with 448."""

    width: int
    num_layers: int
    num_attention_heads: int
    mlp_ratio: int
    patch_size: int
    num_register_tokens: int
    position_image_size: int
    input_image_size: int
    norm_out: NormOut = "none"
    """What is done with the last block's tokens: nothing, normalising without weights, or DINOv2's own last norm."""

    @property
    def num_tokens(self) -> int:
        """Class token, registers and patches."""
        return 1 + self.num_register_tokens + (self.input_image_size // self.patch_size) ** 2
