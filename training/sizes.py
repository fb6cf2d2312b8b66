"""Sizes of the `tiny` preset's networks: the published architecture with other numbers."""

from apg_core.models.shape_vae import ShapeVaeConfig

SURFACE_POINTS = 1024
LATENTS = 64
CHANNELS = 16

TINY_VAE = ShapeVaeConfig(
    latent_channels=CHANNELS,
    num_attention_heads=4,
    encoder_width=128,
    decoder_width=192,
    num_layers_encoder=3,
    num_layers_decoder=4,
)
