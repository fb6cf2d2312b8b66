"""The client for code inside the cluster: the methods of the async HTTP client over a Serve handle, without HTTP."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Unpack, cast

from apg_core.errors import ApgError
from apg_core.protocol.edit import Edit
from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from clients.async_jobs import AsyncJobs
from clients.files import FileSource
from clients.submission import EditSubmission, Inputs, MaskRequest, Submission

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator


class HandleClient(AsyncJobs):
    """Talks to the `Ingress` deployment of the application; jobs belong to `owner`.

    Methods raise what the service raises: errors of the project's tree, not problems.
    """

    def __init__(self, ingress: "DeploymentHandle[Any]", *, owner: str = "local") -> None:
        self._ingress = ingress
        self._owner = owner

    async def submit(self, **given: Unpack[Inputs]) -> Job:
        """Queue a job for an image, a mesh, or both, with a part mask of the image if there is one."""
        new = Submission.of(**given)
        sent = self._ingress.submit_job.remote(new.files, new.options, self._owner, new.key, new.preset)
        return cast(Job, await sent)

    async def edit(self, job: Job | str, change: Edit, *, idempotency_key: str | None = None) -> Job:
        """Queue a job that changes what another has made."""
        new = EditSubmission.of(job, change, idempotency_key)
        return cast(Job, await self._ingress.edit_job.remote(new.job_id, new.values, self._owner, new.key))

    async def suggest_mask(self, image: FileSource, options: MaskOptions | None = None) -> MaskSuggestion:
        """Regions of the object in an image, for every number of regions at once; nothing is queued or kept."""
        new = MaskRequest.of(image, options)
        return cast(MaskSuggestion, await self._ingress.suggest_mask.remote(new.files, new.options, self._owner))

    async def suggest_mask_png(self, image: FileSource, options: MaskOptions | None = None) -> bytes:
        """The same as an indexed PNG, as `submit` takes it for a mask."""
        new = MaskRequest.of(image, options)
        return cast(bytes, await self._ingress.suggest_mask_png.remote(new.files, new.options, self._owner))

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return cast(Job, await self._ingress.get_job.remote(job_id, self._owner))

    async def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return cast(JobPage, await self._ingress.list_jobs.remote(self._owner, status, limit, cursor))

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return cast(Job, await self._ingress.cancel_job.remote(job_id, self._owner))

    async def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts; one that is gone already is deleted."""
        try:
            await self._ingress.delete_job.remote(job_id, self._owner)
        except ApgError as error:
            if error.code != "not_found":
                raise

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job beyond number `after`, until it has ended."""
        follow = self._ingress.options(stream=True).follow_job
        stream = cast("DeploymentResponseGenerator[Any]", follow.remote(job_id, self._owner, after))
        async for event in stream:
            yield event

    async def content(self, job_id: str, artifact: Artifact) -> bytes:
        """The content of one of a job's artifacts."""
        return cast(bytes, await self._ingress.artifact.remote(job_id, artifact.name, self._owner))
