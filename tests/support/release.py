"""A user's folder of the published release, with small sizes: config files, and weights where the release has them."""

from pathlib import Path

import torch
import yaml
from torch import nn

from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.presets import load_preset

RELEASED = Path(__file__).parents[1] / "data" / "released"
CONFIG, CONFIG_4096 = RELEASED / "default.yaml", RELEASED / "default_4096.yaml"
SMALL = {
    "conditioner": {"model_name": "dinov2_vits14_reg", "img_size": 56},
    "dit": {
        "num_latents": 32,
        "in_channels": 16,
        "latent_dim": 16,
        "width": 64,
        "num_layers": 5,
        "num_attention_heads": 4,
        "cross_attention_dim": 384,
        "token_cross_attention_layer": 3,
    },
    "vae": {
        "encoder_width": 32,
        "latent_channels": 16,
        "num_attention_heads": 4,
        "width_decoder": 64,
        "num_layers_encoder": 2,
        "num_layers_decoder": 3,
        "point_cloud_size": 512,
        "latent_eval_downscale": 16,
    },
    "scheduler": {"num_inference_timesteps": 3},
}

Content = dict[str, dict[str, object]]


def edited(source: Path, changes: dict[str, object]) -> Content:
    """A config file's content with other values at `section.key` names; a mapping changes several keys of a section."""
    content = yaml.safe_load(source.read_text())
    for name, value in changes.items():
        *sections, key = name.split(".")
        section = content
        for part in sections:
            section = section[part]
        section[key] = {**section[key], **value} if isinstance(section.get(key), dict) else value
    return content


def write_config(path: Path, changes: dict[str, object], source: Path = CONFIG) -> Path:
    """A copy of a config file with other values; see `edited`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(edited(source, changes), sort_keys=False))
    return path


def small_release(root: Path, torch_hub: Path) -> None:
    """Both small config files in `root`/configs, their weights in `root`/checkpoints, DINOv2's in torch hub's."""
    (root / "checkpoints").mkdir(parents=True)
    for place, source in enumerate((CONFIG, CONFIG_4096)):
        path = write_config(root / "configs" / source.name, SMALL, source)
        preset = load_preset(path)
        torch.manual_seed(place)
        save(PartDit(preset.dit), root / preset.weights["dit"].path)
    torch.manual_seed(2)
    save(ShapeVae(preset.vae), root / preset.weights["vae"].path)
    torch_hub.mkdir(parents=True)
    state = original_layout(ImageEncoder(preset.image_encoder))
    torch.save(state, torch_hub / "dinov2_vits14_reg4_pretrain.pth")


def save(network: nn.Module, path: Path) -> None:
    """As the release saves its networks: `{"model": state_dict}`."""
    torch.save({"model": network.state_dict()}, path)


def original_layout(encoder: ImageEncoder) -> dict[str, torch.Tensor]:
    """DINOv2's weights under the keys of its original file."""
    from apg_core.models import checkpoints

    new_to_old = {new: old for old, new in checkpoints._DINO_TOP.items()}
    blocks = {new: old for old, new in checkpoints._DINO_BLOCK.items()}
    state: dict[str, torch.Tensor] = {}
    stacked: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in encoder.state_dict().items():
        name = key.removeprefix("backbone.")
        if name in new_to_old:
            state[new_to_old[name]] = tensor
            continue
        name = name.replace("encoder.layer.", "blocks.")
        for new, old in blocks.items():
            name = name.replace(new, old)
        for letter in "qkv":
            if f"attention.{letter}_proj" in name:
                stacked.setdefault(name.replace(f"attention.{letter}_proj", "attn.qkv"), {})[letter] = tensor
                break
        else:
            state[name] = tensor
    for name, parts in stacked.items():
        state[name] = torch.cat([parts[letter] for letter in "qkv"])
    return state
