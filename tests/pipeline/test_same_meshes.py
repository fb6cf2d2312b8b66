"""Fixed generations make the meshes that they made when they were recorded, byte for byte."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from apg_core.inputs.prompt import read_prompt
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.generate import generate
from apg_core.pipeline.local_stages import run_at_once
from apg_core.pipeline.stages import OnStep
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.manifest import AcceptedPart, FailedRegion
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage
from tests.pipeline.recorded import HASHES, MODES, RUNS, TINY, arithmetic, pipeline

RECORDED = json.loads(HASHES.read_text())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are taken in another order by another number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_every_run_is_recorded() -> None:
    assert RECORDED["runs"].keys() == RUNS.keys()
    assert all(files for files in RECORDED["runs"].values())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_makes_the_meshes_that_were_recorded(name: str) -> None:
    if RECORDED["arithmetic"] != arithmetic():
        pytest.skip("this processor or its libraries round differently from those of the record")
    assert RUNS[name].hashes() == RECORDED["runs"][name]


class Listener:
    """A sink that keeps what the generation could be resumed from after each of its calls."""

    def __init__(self) -> None:
        self.checkpoints = [Resume()]

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        pass

    def on_step(self) -> OnStep | None:
        return None

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        self._keep(whole=latent)

    async def part(self, part: AcceptedPart) -> None:
        self._keep(parts=[*self.checkpoints[-1].parts, part])

    async def region_failed(self, region: FailedRegion) -> None:
        self._keep(failed_regions=[*self.checkpoints[-1].failed_regions, region])

    def _keep(self, **changed: object) -> None:
        self.checkpoints.append(replace(self.checkpoints[-1], **changed))  # type: ignore[arg-type]


def _ending(preset: str, prompt: Prompt, options: GenerationOptions, sink: Listener, resume: Resume) -> Ending:
    loaded = pipeline(preset)
    complete = loaded.preset.complete(options)
    brief = Brief(prompt=prompt, options=complete, preset=loaded.preset, stages=loaded.stages, sink=sink)
    return run_at_once(generate(brief, resume))


@pytest.mark.parametrize("preset, mode", [*(("nano", mode) for mode in MODES), ("tiny", "mesh")])
def test_a_generation_resumed_from_any_checkpoint_makes_the_same_meshes(preset: str, mode: str) -> None:
    prompt = read_prompt(MODES[mode], InputLimits())
    chosen = TINY if preset == "tiny" else {}
    options = GenerationOptions.model_validate({"seed": 3, **chosen, "num_inference_steps": 2, "grid_size": 16})
    through = Listener()
    expected = _ending(preset, prompt, options, through, Resume())
    for checkpoint in through.checkpoints:
        resumed = _ending(preset, prompt, options, Listener(), checkpoint)
        assert [part.facts for part in resumed.parts] == [part.facts for part in expected.parts]
        assert resumed.failed_regions == expected.failed_regions
        for part, same in zip(resumed.parts, expected.parts, strict=True):
            np.testing.assert_array_equal(part.mesh.vertices, same.mesh.vertices)
            np.testing.assert_array_equal(part.mesh.faces, same.mesh.faces)
