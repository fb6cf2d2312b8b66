"""Generations whose latents are known beforehand, in place of sampled ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apg_core.pipeline.local import Pipeline
from apg_core.pipeline.local_stages import LocalStages
from apg_core.pipeline.stages import LatentRequest, OnStep
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.mesh import TriangleMesh


def latent_of(pipeline: Pipeline, mesh: TriangleMesh) -> LatentArray:
    return pipeline.stages.codec.encode(pipeline.stages.meshes.sample_surface(mesh, 0))


@dataclass(frozen=True, eq=False)
class Sampled(LocalStages):
    """The local stages, but for the latents: those of a list, one trajectory after another."""

    latents: list[LatentArray]

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        return [self.latents.pop(0) for _ in requests]


def from_latents(pipeline: Pipeline, *latents: LatentArray) -> Pipeline:
    return replace(pipeline, stages=Sampled(**vars(pipeline.stages), latents=list(latents)))
