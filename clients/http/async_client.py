"""The asynchronous client."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, Unpack

import httpx
from httpx_sse import aconnect_sse

from apg_core.protocol.edit import Edit
from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from clients.async_jobs import AsyncJobs
from clients.files import FileSource
from clients.http.calls import STREAM_TIMEOUT, TIMEOUT, Call, Calls, Flow, Result, headers_of
from clients.http.retries import RETRIES, Reply
from clients.submission import Inputs


class AsyncAutoPartGenClient(AsyncJobs):
    """`AutoPartGenClient` for asyncio, method by method."""

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: int = RETRIES) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers_of(api_key), timeout=TIMEOUT)
        self._calls = Calls(service=base_url, attempts=retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def submit(self, **given: Unpack[Inputs]) -> Job:
        """Queue a job for an image, a mesh, or both, with a part mask of the image if there is one."""
        return await self._run(self._calls.submit(**given))

    async def edit(self, job: Job | str, change: Edit, *, idempotency_key: str | None = None) -> Job:
        """Queue a job that changes what another has made, which stays as it is."""
        return await self._run(self._calls.edit(job, change, idempotency_key))

    async def suggest_mask(self, image: FileSource, options: MaskOptions | None = None) -> MaskSuggestion:
        """Regions of the object in an image, for every number of regions at once; nothing is queued or kept."""
        content = await self._run(self._calls.mask(image, options, "application/json"))
        return MaskSuggestion.model_validate_json(content)

    async def suggest_mask_png(self, image: FileSource, options: MaskOptions | None = None) -> bytes:
        """The same as an indexed PNG, as `submit` takes it for a mask."""
        return await self._run(self._calls.mask(image, options, "image/png"))

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._run(self._calls.get(job_id))

    async def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return await self._run(self._calls.page(status=status, limit=limit, cursor=cursor))

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return await self._run(self._calls.cancel(job_id))

    async def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts."""
        await self._run(self._calls.delete(job_id))

    async def content(self, job_id: str, artifact: Artifact) -> bytes:
        """The content of one of a job's artifacts."""
        return await self._run(self._calls.content(artifact))

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job until it has ended; a broken connection is taken up again where it broke."""
        following = self._calls.follow(job_id, after=after)
        while True:
            call = following.call
            reply: Reply
            await asyncio.sleep(call.delay)
            try:
                async with aconnect_sse(
                    self._http, call.method, call.path, headers=dict(call.headers), timeout=STREAM_TIMEOUT
                ) as stream:
                    reply = stream.response
                    if reply.is_error:
                        await reply.aread()
                    else:
                        async for sent in stream.aiter_sse():
                            if (event := following.hear(sent)) is not None:
                                yield event
                            if following.ended:
                                return
            except httpx.TransportError as error:
                reply = error
            following.break_off(reply)

    async def _run(self, flow: Flow[Result]) -> Result:
        try:
            call = next(flow)
            while True:
                call = flow.send(await self._send(call))
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def _send(self, call: Call) -> Reply:
        await asyncio.sleep(call.delay)
        try:
            return await self._http.send(call.request(self._http))
        except httpx.TransportError as error:
            return error
