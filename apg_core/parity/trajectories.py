"""Cases of whole trajectories from given contexts."""

from dataclasses import KW_ONLY, dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from apg_core.diffusion.company import Company
from apg_core.diffusion.guidance import GuidedInput, part_rows, whole_rows
from apg_core.diffusion.trajectories import Trajectory, run
from apg_core.parity.folder import NOISE_DEVICE, ParityFolder
from apg_core.protocol.options import GuidanceScales
from apg_core.shapes import Latents


@dataclass(frozen=True)
class PartTrajectory:
    """The latent of a part, in VAE scale."""

    scales: GuidanceScales
    _: KW_ONLY
    steps: int
    seed: int

    def __call__(self, folder: ParityFolder) -> Latents:
        given = folder.tensor("sample.in.geometry")
        geometries = torch.cat([torch.zeros_like(given), given])
        guided = GuidedInput(_images(folder), geometries, part_rows(self.scales))
        return _latent(folder, guided, steps=self.steps, seed=self.seed) / folder.preset.latent_scale


@dataclass(frozen=True, kw_only=True)
class WholeTrajectory:
    """The latent of a whole object, in the denoiser's scale."""

    guidance: float
    steps: int
    seed: int

    def __call__(self, folder: ParityFolder) -> Latents:
        images = _images(folder)
        half = images[..., : images.shape[-1] // 2]
        zero = torch.zeros_like(folder.tensor("sample.in.geometry")[:, :1])
        guided = GuidedInput(torch.cat([half, half], dim=-1), zero, whole_rows(self.guidance))
        return _latent(folder, guided, steps=self.steps, seed=self.seed)


def _images(folder: ParityFolder) -> Float[Tensor, "I T XX"]:
    return torch.cat([folder.tensor("sample.in.image_uncond"), folder.tensor("sample.in.image_cond")])


def _latent(folder: ParityFolder, guided: GuidedInput, *, steps: int, seed: int) -> Latents:
    schedule = folder.preset.schedule
    trajectory = Trajectory(
        folder.denoiser, guided, schedule=schedule, steps=steps, seed=seed, noise_device=NOISE_DEVICE
    )
    return run(Company(folder.denoiser), trajectory)
