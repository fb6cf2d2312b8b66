"""The stage that samples latents: from requests in numpy to trajectories on the denoiser's device, and back."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from apg_core.diffusion.company import Company
from apg_core.diffusion.guidance import GuidedInput, part_rows, whole_rows
from apg_core.diffusion.schedule import Schedule
from apg_core.diffusion.trajectories import StepCallback, Trajectory, run_together
from apg_core.models.part_dit import PartDit
from apg_core.pipeline.stages import Geometry, HistoryNoise, LatentRequest
from apg_core.protocol.arrays import FeatureArray, LatentArray
from apg_core.protocol.options import GuidanceScales


class PartSampler:
    """Samples the latent of the whole object, or of the next part from the whole and the history.

    The denoiser works in a scaled latent space; this is the one place that enters and leaves it.
    """

    def __init__(
        self,
        denoiser: PartDit,
        *,
        schedule: Schedule,
        latent_scale: float,
        num_latents: int,
        dropped: FeatureArray,
        noise_device: torch.device | None = None,
        exact: bool | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.company = Company(denoiser, exact=exact)
        self._schedule = schedule
        self._latent_scale = latent_scale
        self._device = denoiser.proj_in.weight.device
        self._noise_device = noise_device
        self._dropped = self._tensor(dropped)
        self._zero_slot = torch.zeros(num_latents, denoiser.config.latent_channels, device=self._device)

    def sample(
        self,
        request: LatentRequest,
        *,
        on_step: StepCallback | None = None,
    ) -> LatentArray:
        """The latent in VAE scale, of a trajectory that runs alone.

        Raises:
            SamplingError: the network's output is not finite.
        """
        return self.sample_together([request], on_step=on_step)[0]

    def sample_together(
        self,
        requests: Sequence[LatentRequest],
        *,
        on_step: StepCallback | None = None,
    ) -> list[LatentArray]:
        """The latent of each request, of trajectories that share their steps; errors are those of `sample`."""
        trajectories = [self.trajectory(request) for request in requests]
        run_together(self.company, trajectories, on_step=on_step)
        return [self.latent_of(trajectory) for trajectory in trajectories]

    def trajectory(self, request: LatentRequest) -> Trajectory:
        """The request as a trajectory at its start, to run alone or in a batch."""
        geometry = request.geometry
        guided = self._whole_input(request) if geometry is None else self._part_input(request, geometry)
        return Trajectory(
            self.denoiser,
            guided,
            schedule=self._schedule,
            steps=request.steps,
            seed=request.seed,
            sigma_floor=request.sigma_floor,
            end_below=None if request.end_below is None else request.end_below * self._latent_scale,
            noise_device=self._noise_device,
        )

    def latent_of(self, trajectory: Trajectory) -> LatentArray:
        """The trajectory's latent as it stands, in VAE scale."""
        return (trajectory.latents[0] / self._latent_scale).cpu().numpy()

    def _whole_input(self, request: LatentRequest) -> GuidedInput:
        assert request.features is not None
        images = torch.stack([self._doubled(self._dropped), self._doubled(self._tensor(request.features))])
        return GuidedInput(images, self._zero_slot[None, None], whole_rows(request.guidance.image))

    def _part_input(self, request: LatentRequest, geometry: Geometry) -> GuidedInput:
        scales = request.guidance
        images = [self._doubled(self._dropped)]
        if request.features is None:
            scales = GuidanceScales(image=0.0, geometry=scales.geometry)
        elif scales.image != 0:
            part = self._dropped if request.region_features is None else self._tensor(request.region_features)
            images.append(torch.cat([self._tensor(request.features), part], dim=-1))
        whole = self._tensor(geometry.whole) * self._latent_scale
        history = self._tensor(geometry.history) * self._latent_scale
        sigma = None
        if geometry.noise is not None:
            history = self._noised(history, geometry.noise)
            sigma = torch.tensor([[0.0, geometry.noise.sigma]], device=self._device).expand(2, 2)
        zero = torch.stack([self._zero_slot, self._zero_slot])
        return GuidedInput(
            torch.stack(images), torch.stack([zero, torch.stack([whole, history])]), part_rows(scales), sigma
        )

    def _noised(self, history: Float[Tensor, "N C"], noise: HistoryNoise) -> Float[Tensor, "N C"]:
        return (1 - noise.sigma) * history + noise.sigma * self._tensor(noise.noise)

    def _tensor(self, array: Float[np.ndarray, "*shape"]) -> Float[Tensor, "*shape"]:
        # A copy: arrays from another process are read-only, and torch wants to own what it wraps.
        return torch.tensor(array, dtype=torch.float32, device=self._device)

    @staticmethod
    def _doubled(features: Float[Tensor, "T X"]) -> Float[Tensor, "T XX"]:
        return torch.cat([features, features], dim=-1)
