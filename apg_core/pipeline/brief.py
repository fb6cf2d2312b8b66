"""What one generation is given, and the clock that it runs against."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from apg_core.pipeline.sink import Sink
from apg_core.pipeline.stages import Stages
from apg_core.presets import Preset
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Clock:
    """Seconds spent in each stage so far."""

    seconds: dict[Stage, float] = field(default_factory=dict)

    async def __call__(self, stage: Stage, work: Awaitable[Result]) -> Result:
        """What the work gives, its time put down to the stage."""
        started = time.perf_counter()
        try:
            return await work
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, eq=False, kw_only=True)
class Brief:
    """One generation to be done: what is wanted, what does the work, and who is told."""

    prompt: Prompt
    options: GenerationOptions
    """Completed with the preset's defaults (`Preset.complete`)."""
    preset: Preset
    stages: Stages
    sink: Sink
    clock: Clock = field(default_factory=Clock)

    @property
    def end_threshold(self) -> float:
        """Mean magnitude of a latent (VAE scale) below which it says that the object is complete."""
        if self.options.end_threshold is None:
            raise ValueError("options without an end_threshold are not complete; see Preset.complete")
        return self.options.end_threshold
