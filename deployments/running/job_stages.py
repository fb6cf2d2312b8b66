"""The stages that running a job needs: those of a generation, and those that make its files."""

from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Protocol

from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.stages import EditStages
from apg_core.protocol.manifest import AcceptedPart, Provenance
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage


class JobStages(EditStages, Protocol):
    """What one job needs done."""

    @property
    def retried(self) -> Counter[Stage]:
        """How often each stage was lost and done again for this job."""
        ...

    def draft_file(self, part: AcceptedPart, parts_total: int | None) -> Awaitable[OutputFile]:
        """An accepted part's file while the generation goes on."""
        ...

    def package(
        self, ending: Ending, prompt: Prompt, options: GenerationOptions, provenance: Provenance
    ) -> Awaitable[Sequence[OutputFile]]:
        """Every file of a finished generation but its preview, and one archive of them all."""
        ...

    def preview(self, ending: Ending, prompt: Prompt, options: GenerationOptions) -> Awaitable[OutputFile | None]:
        """The picture of a finished generation; None where there is nothing to see."""
        ...
