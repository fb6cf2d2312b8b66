"""What one stage of training hands to the next: averaged weights out of a run's state, and the latent scale."""

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from apg_core.models.shape_vae import ShapeVae
from apg_core.presets import load_preset
from training.pool import Chunk
from training.sizes import TINY_VAE


def averaged_weights(folder: Path, prefix: str) -> dict[str, Tensor]:
    """The averaged weights under a prefix of the trained module, in fp32."""
    state = torch.load(folder / "state.pt", weights_only=True, map_location="cpu")
    return {name.removeprefix(prefix): value for name, value in state["average"].items() if name.startswith(prefix)}


def trained_vae(folder: Path) -> ShapeVae:
    """The autoencoder of a run, with averaged weights, ready to use."""
    vae = ShapeVae(TINY_VAE)
    vae.load_state_dict(averaged_weights(folder, "vae."))
    return vae.eval()


def measured_scale(pool: Path) -> float:
    """1 / standard deviation of the latents in the pool's first chunk, parts and wholes alike."""
    chunk = Chunk.load(min(pool.glob("chunk_*.pt")))
    present = torch.arange(chunk.parts.shape[1]) < chunk.counts[:, None]
    values = torch.cat([chunk.parts[present], chunk.whole]).float()
    return float(1 / values.std())


def latent_scale(folder: Path, *, pool: Path, start: Path | None = None) -> float:
    """The scale of a denoiser's run: what it was begun with, else its starting preset's, else the pool's."""
    note = folder / "latent_scale.json"
    if not note.exists():
        scale = measured_scale(pool) if start is None else load_preset(start).latent_scale
        folder.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}.tmp")  # several workers begin together
        temporary.write_text(json.dumps(scale), encoding="utf-8")
        temporary.rename(note)
    return float(json.loads(note.read_text(encoding="utf-8")))


def start_from(module: nn.Module, path: Path) -> None:
    """Load a preset's half-precision weights into a module that is trained in fp32."""
    module.load_state_dict({name: value.float() for name, value in load_file(path).items()})
