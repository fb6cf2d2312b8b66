"""Where the generation of one job tells what it does: progress and what must not be lost go to the stores."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from apg_core.pipeline.ending import OutputFile
from apg_core.pipeline.stages import OnStep
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion
from apg_core.protocol.stage import Stage
from deployments.errors import LeaseLostError, StoreError
from deployments.running import checkpoint
from deployments.running.claimed import ClaimedJob
from deployments.running.progress import Progress
from deployments.stores.jobs.leases import JobLeases

log = logging.getLogger(__name__)

DraftFile = Callable[[AcceptedPart, int | None], Awaitable[OutputFile]]

REPORT_SECONDS = 1.0  # how often steps are reported; stages and parts are at once


class JobSink:
    """Writes what one job comes to. A part is in the stores before `part` returns."""

    def __init__(self, job: ClaimedJob, *, draft_file: DraftFile) -> None:
        """`draft_file` makes the file of a part, and of how many there will be where that is known."""
        self._job = job
        self._draft_file = draft_file
        self._progress = Progress(job.claim.job.parts_total, parts_done=job.claim.job.parts_done)
        self._accepted = len(job.claim.parts)
        self._failed_regions = checkpoint.failed_regions(job.claim)
        self._reported = -1.0
        self.part_files = [one for one in job.claim.job.artifacts if not one.is_hidden]
        """Files of the accepted parts, those of earlier runs among them."""

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        """See `Sink`."""
        self._progress = replace(self._progress, stage=stage, trajectory=0.0)
        log.info("stage", extra={"stage": stage.value, "part": part, "attempt": attempt})
        await self._report()

    def on_step(self) -> OnStep | None:
        """See `Sink`."""
        return self._step

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        """See `Sink`."""
        await checkpoint.save_whole(self._job, latent)

    async def part(self, part: AcceptedPart) -> None:
        """See `Sink`."""
        progress = replace(self._progress, parts_done=self._progress.parts_done + 1, trajectory=0.0)
        file = await self._draft_file(part, progress.parts_total)
        saved = checkpoint.save_part(self._job, part, file, number=self._accepted, progress=progress.share)
        self.part_files.append(await saved)
        self._progress = progress
        self._accepted += 1
        self._reported = progress.share
        log.info("part accepted", extra={"part": part.facts.index, "seed": part.facts.seed})

    async def region_failed(self, region: FailedRegion) -> None:
        """See `Sink`."""
        self._failed_regions = (*self._failed_regions, region)
        await checkpoint.save_failed_regions(self._job, self._failed_regions)

    @asynccontextmanager
    async def reporting_steps(self) -> AsyncIterator[None]:
        """Report how far the current trajectory is, now and then, while in this context."""
        reporting = asyncio.create_task(self._report_steps())
        try:
            yield
        finally:
            reporting.cancel()

    async def _report_steps(self) -> None:
        with suppress(LeaseLostError):  # the generation's own next write says so too
            while True:
                await asyncio.sleep(REPORT_SECONDS)
                if self._progress.share > self._reported:
                    with suppress(StoreError):  # the next one will do
                        await self._report()

    def _step(self, taken: int, total: int) -> None:
        self._progress = replace(self._progress, trajectory=taken / total)

    async def _report(self) -> None:
        self._reported = self._progress.share
        await self._job.write(JobLeases.report, stage=self._progress.stage, progress=self._reported)
