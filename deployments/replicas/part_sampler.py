"""The deployment that samples latents; the trajectories of all jobs in it share each denoising step."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from apg_core.pipeline import sampling
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.shared_sampling import SharedSampler
from apg_core.pipeline.stages import LatentRequest, PartRequest
from apg_core.protocol.arrays import LatentArray
from deployments.replicas.networks import loader
from deployments.settings import ModelSettings

Step = tuple[int, int]
STEP_SECONDS = 0.25  # how often a caller hears of the steps


class PartSampler:
    """Samples the whole and the parts."""

    def __init__(self, models: ModelSettings) -> None:
        networks = loader(models)
        preset = networks.preset
        dropped = FeatureExtractor(networks.image_encoder()).dropped()  # a constant; the encoder is not kept
        core = sampling.PartSampler(
            networks.denoiser(),
            schedule=preset.schedule,
            latent_scale=preset.latent_scale,
            num_latents=preset.num_latents,
            dropped=dropped,
        )
        nothing = np.zeros((preset.num_latents, preset.dit.latent_channels), np.float32)
        warm_up = PartRequest(
            features=dropped,
            region_features=None,
            whole=nothing,
            history=nothing,
            image_guidance=2.0,
            geometry_guidance=3.0,
            seed=0,
            steps=1,
            sigma_floor=0.0,
        )
        core.sample(warm_up)
        self._shared = SharedSampler(core, max_rows=models.sampler_rows)

    async def sample(self, requests: Sequence[LatentRequest]) -> AsyncIterator[Step | list[LatentArray]]:
        """Steps taken and steps in all, now and then; at the end the latents.

        A caller that stops listening ends its trajectories before the next step.
        """
        steps: list[Step] = []
        sampled = asyncio.create_task(
            self._shared.sample_together(requests, on_step=lambda taken, total: steps.append((taken, total)))
        )
        try:
            while not (await asyncio.wait([sampled], timeout=STEP_SECONDS))[0]:
                if steps:
                    yield steps[-1]
                    steps.clear()
            yield sampled.result()
        finally:
            sampled.cancel()

    def rows(self) -> int:
        """Network evaluations that the next step costs: zero when nothing is being sampled."""
        return self._shared.rows

    def ready(self) -> bool:
        """Whether the network has run once: it has, once this can be asked."""
        return True
