"""An object's parts are the same to the byte alone and in company, on a CPU."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pytest

from apg_core.inputs.prompt import read_prompt
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.generate import generate
from apg_core.pipeline.local import load_pipeline
from apg_core.pipeline.local_stages import LocalStages, Pipeline, run_at_once
from apg_core.pipeline.shared_sampling import SharedSampler
from apg_core.pipeline.stages import LatentRequest, OnStep
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from tests.pipeline.recorded import MODES
from tests.pipeline.test_same_meshes import Listener

FEW = {"num_inference_steps": 3, "max_parts": 2, "grid_size": 32, "best_of": 2, "fit_to_mesh": False}
KINDS = ("image", "mesh", "image_mesh", "image_mask")


@dataclass(frozen=True, eq=False)
class InCompany(LocalStages):
    """The stages of a service or a batch in one process: trajectories of all share their steps."""

    shared: SharedSampler

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        return await self.shared.sample_together(requests, on_step=on_step)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load_pipeline("nano", "cpu")


async def made(pipeline: Pipeline, stages: LocalStages, seed: int) -> Ending:
    options = pipeline.preset.complete(GenerationOptions.model_validate(FEW | {"seed": seed}))
    prompt = read_prompt(MODES[KINDS[seed]], InputLimits())
    return await generate(Brief(prompt=prompt, options=options, preset=pipeline.preset, stages=stages, sink=Listener()))


def meshes(ending: Ending) -> list[tuple[bytes, bytes]]:
    return [(np.asarray(part.mesh.vertices).tobytes(), np.asarray(part.mesh.faces).tobytes()) for part in ending.parts]


def test_the_same_object_makes_the_same_bytes_alone_and_in_company_of_others(pipeline: Pipeline) -> None:
    alone = [run_at_once(made(pipeline, pipeline.stages, seed)) for seed in range(len(KINDS))]

    async def together() -> list[Ending]:
        shared = SharedSampler(pipeline.stages.sampler, max_rows=48)
        own = {field.name: getattr(pipeline.stages, field.name) for field in fields(LocalStages)}
        stages = InCompany(**own, shared=shared)
        try:
            return await asyncio.gather(*(made(pipeline, stages, seed) for seed in range(len(KINDS))))
        finally:
            shared.close()

    company = asyncio.run(together())
    assert all(ending.parts for ending in alone)
    assert [meshes(ending) for ending in company] == [meshes(ending) for ending in alone]
