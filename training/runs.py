"""What one stage of training hands to the next: averaged weights out of a run's state, and the latent scale."""

from pathlib import Path

import torch
from torch import Tensor, nn

from apg_core.models.shape_vae import ShapeVae
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


def latent_scale(pool: Path) -> float:
    """1 / standard deviation of the latents in the pool's first chunk, parts and wholes alike."""
    chunk = Chunk.load(min(pool.glob("chunk_*.pt")))
    present = torch.arange(chunk.parts.shape[1]) < chunk.counts[:, None]
    values = torch.cat([chunk.parts[present], chunk.whole]).float()
    return float(1 / values.std())


def count_parameters(module: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in module.parameters())
