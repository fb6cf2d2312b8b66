"""Cases of one pass through a network, and of farthest points."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from apg_core.geometry.farthest import farthest_points
from apg_core.models.shape_vae import Posterior
from apg_core.parity.folder import ParityFolder
from apg_core.shapes import FieldValues, ImageTokens, Latents


@torch.inference_mode()
def image_features(folder: ParityFolder) -> ImageTokens:
    """Features of images in [0, 1]."""
    return folder.extractor.encoder(folder.tensor("dino.in.image01"))


def surface_mean(folder: ParityFolder) -> Latents:
    """Mean of the posterior of a surface."""
    return _posterior(folder).mean


def surface_log_variance(folder: ParityFolder) -> Latents:
    """Logarithm of that posterior's variance."""
    return _posterior(folder).log_variance


def scaled_surface_mean(folder: ParityFolder) -> Latents:
    """That mean in the denoiser's scale."""
    return surface_mean(folder) * folder.preset.latent_scale


@torch.inference_mode()
def nothing_mean(folder: ParityFolder) -> Latents:
    """Mean of the posterior of the all-zero surface, whose first points are its queries."""
    surface = torch.zeros(1, folder.preset.surface.points, 6, device=folder.device)
    queries = torch.arange(folder.preset.num_latents, device=folder.device)[None]
    return folder.vae.encode(surface, queries).mean


@torch.inference_mode()
def field(folder: ParityFolder) -> FieldValues:
    """Field of a latent, positive inside."""
    return folder.vae.decode(folder.tensor("vae.in.latent"), folder.tensor("vae.in.queries"))


@dataclass(frozen=True, kw_only=True)
class Denoised:
    """One pass of the denoiser: with as many geometry slots, with or without noise levels for them."""

    slots: int = 2
    sigma: bool = False

    @torch.inference_mode()
    def __call__(self, folder: ParityFolder) -> Latents:
        geometry = folder.tensor("dit.in.geometry")[:, : self.slots]
        sigma = folder.tensor("dit.in.sigma") if self.sigma else None
        context = folder.denoiser.context(folder.tensor("dit.in.image"), geometry, sigma)
        return folder.denoiser(folder.tensor("dit.in.x"), folder.tensor("dit.in.t"), context)


@dataclass(frozen=True, kw_only=True)
class FarthestPoints:
    """As many farthest points, begun at a place of fpsample's own order."""

    start: int
    count: int

    def __call__(self, folder: ParityFolder) -> Int[np.ndarray, " N"]:
        return farthest_points(folder.tensor("fps.in.points").cpu().numpy(), self.count, start_idx=self.start)


@torch.inference_mode()
def _posterior(folder: ParityFolder) -> Posterior:
    return folder.vae.encode(folder.tensor("vae.in.surface"), folder.tensor("vae.in.fps_indices")[None])
