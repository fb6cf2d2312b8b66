"""What the asynchronous clients share: everything that is made of a few calls, whatever carries them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol, TypeAlias, Unpack

from apg_core.protocol.edit import Edit
from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from clients.errors import WaitTimeoutError
from clients.files import LOOK_SECONDS, FileSource, is_being_drawn, wanted, write_artifact
from clients.submission import Inputs

OnEvent: TypeAlias = Callable[[Event], None]


class AsyncJobs(Protocol):
    """Jobs of a service: a client has the calls, and gets the rest from here."""

    async def submit(self, **given: Unpack[Inputs]) -> Job:
        """Queue a job for an image, a mesh, or both, with a part mask of the image if there is one."""
        ...

    async def edit(self, job: Job | str, change: Edit, *, idempotency_key: str | None = None) -> Job:
        """Queue a job that changes what another has made, which stays as it is."""
        ...

    async def suggest_mask(self, image: FileSource, options: MaskOptions | None = None) -> MaskSuggestion:
        """Regions of the object in an image, for every number of regions at once; nothing is queued or kept."""
        ...

    async def suggest_mask_png(self, image: FileSource, options: MaskOptions | None = None) -> bytes:
        """The same as an indexed PNG, as `submit` takes it for a mask."""
        ...

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        ...

    async def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        ...

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        ...

    async def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts."""
        ...

    def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job beyond number `after`, until it has ended."""
        ...

    async def content(self, job_id: str, artifact: Artifact) -> bytes:
        """The content of one of a job's artifacts."""
        ...

    async def wait(self, job_id: str, *, on_event: OnEvent | None = None, timeout: float | None = None) -> Job:
        """The job once it has ended, in whatever way.

        Raises:
            WaitTimeoutError: not within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                async for event in self.events(job_id):
                    if on_event is not None:
                        on_event(event)
        except TimeoutError as error:
            raise WaitTimeoutError.of(job_id, timeout) from error
        return await self.get(job_id)

    async def download(self, job: Job, folder: Path | str, *, names: list[str] | None = None) -> list[Path]:
        """Fetch a job's artifacts (or those named) into a folder; all of them, once its preview is there."""
        while names is None and is_being_drawn(job):
            await asyncio.sleep(LOOK_SECONDS)
            job = await self.get(job.id)
        return [await self._fetch(job.id, artifact, folder) for artifact in wanted(job, names)]

    async def generate(
        self, *, output_dir: Path | str, on_event: OnEvent | None = None, **given: Unpack[Inputs]
    ) -> Job:
        """Submit, follow, and fetch each part as it comes and everything at the end.

        Raises:
            ProblemError: the job did not succeed; parts that came are in `output_dir`.
        """
        job = await self.submit(**given)
        async for event in self.events(job.id):
            if event.part is not None:
                await self._fetch(job.id, event.part, output_dir)
            if on_event is not None:
                on_event(event)
        job = (await self.get(job.id)).result()
        await self.download(job, output_dir)
        return job

    async def _fetch(self, job_id: str, artifact: Artifact, folder: Path | str) -> Path:
        content = await self.content(job_id, artifact)
        return await asyncio.to_thread(write_artifact, artifact, content, folder)
