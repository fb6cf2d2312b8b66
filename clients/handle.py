"""The client for code inside the cluster: the methods of the async HTTP client over a Serve handle, without HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from pydantic import JsonValue

from apg_core.protocol.job import Event, Job
from apg_core.protocol.options import GenerationOptions
from clients.calls import FileSource, Options

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

OnEvent = Callable[[Event], None]


class HandleClient:
    """Talks to the `Ingress` deployment of the application; jobs belong to `owner`.

    Methods raise what the service raises: errors of the project's tree, not problems.
    """

    def __init__(self, ingress: "DeploymentHandle[Any]", *, owner: str = "local") -> None:
        self._ingress = ingress
        self._owner = owner

    async def submit(
        self,
        *,
        image: FileSource | None = None,
        mesh: FileSource | None = None,
        mask: FileSource | None = None,
        options: Options | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a job for an image, a mesh, or both, with an indexed part mask of the image if there is one."""
        given = {"image": image, "mesh": mesh, "mask": mask}
        files = {name: _file(name, source) for name, source in given.items() if source is not None}
        plain: dict[str, JsonValue] = (
            options.model_dump(mode="json", exclude_unset=True)
            if isinstance(options, GenerationOptions)
            else dict(options or {})
        )
        key = idempotency_key or uuid4().hex
        return cast(Job, await self._ingress.submit_job.remote(files, plain, self._owner, key))

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return cast(Job, await self._ingress.get_job.remote(job_id, self._owner))

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return cast(Job, await self._ingress.cancel_job.remote(job_id, self._owner))

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job until it has ended."""
        follow = self._ingress.options(stream=True).follow_job
        stream = cast("DeploymentResponseGenerator[Any]", follow.remote(job_id, self._owner, after))
        async for event in stream:
            yield event

    async def wait(self, job_id: str, *, on_event: OnEvent | None = None) -> Job:
        """The job once it has ended, in whatever way."""
        async for event in self.events(job_id):
            if on_event is not None:
                on_event(event)
        return await self.get(job_id)

    async def download(self, job: Job, folder: Path | str, *, names: list[str] | None = None) -> list[Path]:
        """Fetch a job's artifacts (or those named) into a folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        written = []
        for artifact in job.artifacts:
            if names is None or artifact.name in names:
                content = cast(bytes, await self._ingress.artifact.remote(job.id, artifact.name, self._owner))
                written.append(await asyncio.to_thread(_write, target / Path(artifact.name).name, content))
        return written


def _file(name: str, source: FileSource) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return name, source
    path = Path(source)
    return path.name, path.read_bytes()


def _write(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    temporary.write_bytes(content)
    return temporary.replace(path)
