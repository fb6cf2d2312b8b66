"""Sizes of the `tiny` preset's networks, and its noise schedule: the published ones with other numbers."""

from apg_core.diffusion.schedule import Schedule
from apg_core.models.configs import ImageEncoderConfig, PartDitConfig, ShapeVaeConfig

SURFACE_POINTS = 1024
LATENTS = 64
CHANNELS = 16

TINY_VAE = ShapeVaeConfig(
    latent_channels=CHANNELS,
    num_attention_heads=4,
    encoder_width=128,
    decoder_width=160,
    num_layers_encoder=2,
    num_layers_decoder=4,
)

TINY_DIT = PartDitConfig(
    latent_channels=CHANNELS,
    width=192,
    num_layers=7,
    num_attention_heads=3,
    image_width=128,
    token_cross_attention_layer=4,
)

TINY_IMAGE_ENCODER = ImageEncoderConfig(
    width=128,
    num_layers=4,
    num_attention_heads=4,
    mlp_ratio=4,
    patch_size=14,
    num_register_tokens=4,
    position_image_size=112,
    input_image_size=112,
)

# Without fresh noise on the way: training pairs noise with targets (`nearest_order`), and new noise would be unpaired.
TINY_SCHEDULE = Schedule(algorithm_type="dpmsolver++")
