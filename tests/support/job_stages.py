"""The stages of a job in this process, with a gate before each."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.finishing import draft_file, finish, output_files, preview_file
from apg_core.pipeline.local_stages import LocalStages
from apg_core.protocol.manifest import AcceptedPart, Provenance
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage
from deployments.running.archive import archive_of

STAGES = {
    "prepare_images": Stage.BACKGROUND,
    "encode_images": Stage.ENCODE,
    "sample_surface": Stage.SURFACE,
    "encode_surface": Stage.CODEC,
    "find_extent": Stage.WHOLE,
    "measure_agreement": Stage.AGREEMENT,
    "fit_to_outline": Stage.WHOLE,
    "decode_mesh": Stage.MESH,
    "measure_overlap": Stage.OVERLAP,
    "measure_cover": Stage.OVERLAP,
    "clean_part": Stage.CLEANUP,
    "fit_parts": Stage.FIT,
    "merge_parts": Stage.CLEANUP,
    "refit_parts": Stage.FIT,
    "draft_file": Stage.EXPORT,
    "package": Stage.PACKAGE,
    "preview": Stage.PACKAGE,
}


@dataclass
class Gate:
    """Lets every stage pass but one at one of its turns, where it holds whoever comes until the gate is opened."""

    stage: Stage | None = None
    turn: int = 1
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    turns: Counter[Stage] = field(default_factory=Counter)

    async def __call__(self, stage: Stage) -> None:
        """Pass, or be held."""
        await asyncio.sleep(0)
        self.turns[stage] += 1
        if stage is self.stage and self.turns[stage] == self.turn:
            self.reached.set()
            await self.opened.wait()


class LocalJobStages:
    """`JobStages` over the local ones."""

    def __init__(self, stages: LocalStages, gate: Gate) -> None:
        self._stages = stages
        self._files = _Files()
        self._gate = gate
        self.retried: Counter[Stage] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def gated(*arguments: Any, **named: Any) -> Any:
            if name == "sample_latents":
                stage = Stage.WHOLE if arguments[0][0].geometry is None else Stage.PART
            else:
                stage = STAGES[name]
            await self._gate(stage)
            work = self._files if stage in (Stage.EXPORT, Stage.PACKAGE) else self._stages
            return await getattr(work, name)(*arguments, **named)

        return gated


class _Files:
    async def draft_file(self, part: AcceptedPart, parts_total: int | None) -> OutputFile:
        return draft_file(part, parts_total=parts_total)

    async def package(
        self, ending: Ending, prompt: Prompt, options: GenerationOptions, provenance: Provenance
    ) -> list[OutputFile]:
        ending = finish(ending, options)
        files = output_files(ending, prompt=prompt, options=options, provenance=provenance, with_preview=False)
        kept = list(files)
        return [*kept, archive_of(kept)]

    async def preview(self, ending: Ending, prompt: Prompt, options: GenerationOptions) -> OutputFile | None:
        return preview_file(finish(ending, options), prompt=prompt, options=options)
