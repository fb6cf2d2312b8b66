"""Turns training runs into a preset: half-precision weights under the published keys, and `preset.yaml`."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from apg_core.pipeline.dropped import keep_dropped
from apg_core.pipeline.loading import ModelLoader
from apg_core.presets import load_preset
from training.runs import trained_vae
from training.sizes import LATENTS, SURFACE_POINTS, TINY_DIT, TINY_IMAGE_ENCODER, TINY_SCHEDULE, TINY_VAE
from training.train_dit import trained_generator

LICENCE = "Apache-2.0"


def export(*, vae: Path, dit: Path, preset: Path, own: Mapping[str, object]) -> None:
    """Write the three weight files, `preset.yaml` and the features of no image into the folder `preset`.

    `own` is the file's `preset` section: guidance, thresholds and defaults that were chosen on validation.
    """
    preset.mkdir(parents=True, exist_ok=True)
    generator = trained_generator(dit)
    networks = {"vae": trained_vae(vae), "dit": generator.dit, "image_encoder": generator.image_encoder}
    for name, network in networks.items():
        halves = {
            key.removeprefix("backbone."): value.to(torch.float16).contiguous()
            for key, value in network.state_dict().items()
        }
        temporary = preset / f"{name}.tmp"
        save_file(halves, temporary, metadata={"licence": LICENCE, "network": name})
        temporary.chmod(0o644)  # safetensors writes for the owner only
        temporary.rename(preset / f"{name}.safetensors")
    content = sizes(scale=json.loads((dit / "latent_scale.json").read_text(encoding="utf-8"))) | {"preset": dict(own)}
    (preset / "preset.yaml").write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110))
    written = ModelLoader(load_preset(preset), device=torch.device("cpu"), precision="fp32")
    keep_dropped(written.features().dropped(), preset / "image_encoder.safetensors")


def sizes(*, scale: float) -> dict[str, object]:
    """The sections of a published config file that state the networks' sizes."""
    return {
        "scheduler": {"algorithm_type": TINY_SCHEDULE.algorithm_type},
        "conditioner": {
            "img_size": TINY_IMAGE_ENCODER.position_image_size,
            "img_input": TINY_IMAGE_ENCODER.input_image_size,
            "embed_dim": TINY_IMAGE_ENCODER.width,
            "depth": TINY_IMAGE_ENCODER.num_layers,
            "num_heads": TINY_IMAGE_ENCODER.num_attention_heads,
            "mlp_ratio": TINY_IMAGE_ENCODER.mlp_ratio,
            "patch_size": TINY_IMAGE_ENCODER.patch_size,
            "num_register_tokens": TINY_IMAGE_ENCODER.num_register_tokens,
        },
        "dit": {
            "num_latents": LATENTS,
            "in_channels": TINY_DIT.latent_channels,
            "latent_dim": TINY_DIT.latent_channels,
            "width": TINY_DIT.width,
            "num_layers": TINY_DIT.num_layers,
            "num_attention_heads": TINY_DIT.num_attention_heads,
            "cross_attention_dim": TINY_DIT.image_width,
            "token_cross_attention_layer": TINY_DIT.token_cross_attention_layer,
            "scale_factor": round(scale, 6),
            "use_diffusion_forcing": True,
        },
        "vae": {
            "latent_channels": TINY_VAE.latent_channels,
            "num_attention_heads": TINY_VAE.num_attention_heads,
            "encoder_width": TINY_VAE.encoder_width,
            "width_decoder": TINY_VAE.decoder_width,
            "num_layers_encoder": TINY_VAE.num_layers_encoder,
            "num_layers_decoder": TINY_VAE.num_layers_decoder,
            "latent_eval_downscale": SURFACE_POINTS // LATENTS,
            "point_cloud_size": SURFACE_POINTS,
        },
    }
