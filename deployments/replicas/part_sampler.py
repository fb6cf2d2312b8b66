"""The deployment that samples latents; the trajectories of all jobs in it share each denoising step."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np

from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.options import GuidanceScales
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings

Step = tuple[int, int]
STEP_SECONDS = 0.25  # how often a caller hears of the steps


class PartSamplerReplica(Replica):
    """Samples the whole and the parts."""

    def __init__(self, models: ModelSettings) -> None:
        from apg_core.pipeline.shared_sampling import SharedSampler  # torch, which callers of this class need not load
        from deployments.replicas.networks import loader

        networks = loader(models)
        preset = networks.preset
        sampler = networks.part_sampler()
        nothing = np.zeros((preset.num_latents, preset.dit.latent_channels), np.float32)
        warm_up = LatentRequest(
            features=np.zeros((preset.image_encoder.num_tokens, preset.dit.image_width), np.float32),
            geometry=Geometry(whole=nothing, history=nothing),
            guidance=GuidanceScales(image=2.0, geometry=3.0),
            seed=0,
            steps=1,
            sigma_floor=0.0,
        )
        sampler.sample(warm_up)
        self._shared = SharedSampler(sampler, max_rows=models.sampler_rows)

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
