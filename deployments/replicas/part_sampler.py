"""The deployment that samples latents; the trajectories of all jobs in it share each denoising step."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from apg_core.pipeline.stages import LatentRequest
from apg_core.protocol.arrays import LatentArray
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings

Step = tuple[int, int]
STEP_SECONDS = 0.25  # how often a caller hears of the steps


class PartSamplerReplica(Replica):
    """Samples the whole and the parts."""

    def __init__(self, models: ModelSettings) -> None:
        from apg_core.pipeline.shared_sampling import SharedSampler  # torch, which callers of this class need not load
        from apg_core.pipeline.warm_up import warm_up_requests
        from deployments.replicas.networks import loader, sampler_rows

        networks = loader(models)
        preset = networks.preset
        self._shared = SharedSampler(networks.part_sampler(exact=models.exact), max_rows=sampler_rows(models, preset))
        self._shared.warm_up(warm_up_requests(preset))

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
