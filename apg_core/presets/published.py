"""What the published release fixes outside its config files: guidance, sizes of DINOv2, and where its weights are.

The scales as a table: docs/how-it-works.md, "Guidance".
"""

from dataclasses import dataclass
from typing import Literal

from apg_core.protocol.mode import Mode

RELEASE = "facebook/autopartgen"
RELEASE_LICENCE = "FAIR Noncommercial Research License"
DENOISERS = {2048: "autopartgen_dit.pth", 4096: "autopartgen_dit_4096.pth"}
"""The denoiser's file, by the latent tokens that it was trained for: all tensors have the same shapes."""
AUTOENCODER = "autopartgen_vae.pth"
RELEASE_FILES = frozenset({*DENOISERS.values(), AUTOENCODER})

WHOLE_SCALE = 7.0
PART_SCALES: dict[Mode, tuple[float, float]] = {
    "image": (0.0, 2.0),
    "mesh": (0.0, 2.0),
    "image_mesh": (0.0, 2.0),
    "image_mask": (5.0, 5.0),
    "image_mesh_mask": (5.0, 5.0),
}
"""Image and geometry scale of each mode, where a config file leaves them out (of the release with 2048 latents)."""

BACKGROUND_FILES = ("model.safetensors", "pytorch_model.bin")
BACKGROUND_REPOSITORY = "briaai/RMBG-1.4"
BACKGROUND_LICENCE = "BRIA RMBG-1.4 Community License (noncommercial)"

ImageModel = Literal["dinov2_vits14_reg", "dinov2_vitb14_reg", "dinov2_vitl14_reg"]


@dataclass(frozen=True)
class ImageModelFacts:
    """Sizes of one of DINOv2's models with registers, and who publishes it."""

    width: int
    num_layers: int
    num_attention_heads: int
    hub_file: str
    repository: str
    mlp_ratio: int = 4
    patch_size: int = 14
    num_register_tokens: int = 4
    position_image_size: int = 518
    licence: str = "Apache-2.0"


IMAGE_MODELS: dict[ImageModel, ImageModelFacts] = {
    "dinov2_vits14_reg": ImageModelFacts(
        384, 12, 6, "dinov2_vits14_reg4_pretrain.pth", "facebook/dinov2-with-registers-small"
    ),
    "dinov2_vitb14_reg": ImageModelFacts(
        768, 12, 12, "dinov2_vitb14_reg4_pretrain.pth", "facebook/dinov2-with-registers-base"
    ),
    "dinov2_vitl14_reg": ImageModelFacts(
        1024, 24, 16, "dinov2_vitl14_reg4_pretrain.pth", "facebook/dinov2-with-registers-large"
    ),
}
