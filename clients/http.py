"""The HTTP client, sync and async; both drive the flows of `clients.calls`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import httpx_sse

from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus, ProblemError
from clients import calls
from clients.calls import Call, FileSource, Flow, Options, Result, Retries
from clients.errors import WaitTimeoutError

OnEvent = Callable[[Event], None]

_RETRIES = 6
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_STREAM_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=45.0)  # three heartbeats


class AutoPartGenClient:
    """Talks to a service at `base_url`; use it as a context, or close it.

    Calls are tried again where that is safe: every call is, because a submission has an idempotency key. All methods
    raise `ProblemError` for what the service refuses and `ServiceUnreachableError` when it does not answer.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: int = _RETRIES) -> None:
        self._http = httpx.Client(base_url=base_url, headers=_headers(api_key), timeout=_TIMEOUT)
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def submit(
        self,
        *,
        image: FileSource | None = None,
        mesh: FileSource | None = None,
        mask: FileSource | None = None,
        options: Options | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a job for an image, a mesh, or both, with an indexed part mask of the image if there is one."""
        return self._run(
            calls.submit(image=image, mesh=mesh, mask=mask, options=options, idempotency_key=idempotency_key)
        )

    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return self._run(calls.get(job_id))

    def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return self._run(calls.page(status=status, limit=limit, cursor=cursor))

    def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return self._run(calls.cancel(job_id))

    def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts."""
        self._run(calls.delete(job_id))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """Events of a job until it has ended; a broken connection is taken up again where it broke."""
        retries = Retries(self._retries)
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                with httpx_sse.connect_sse(
                    self._http, "GET", _events_path(job_id), headers=_after(after), timeout=_STREAM_TIMEOUT
                ) as stream:
                    if stream.response.status_code >= 400:
                        stream.response.read()
                    else:
                        for sent in stream.iter_sse():
                            if not sent.data:  # a heartbeat, which httpx-sse tells as an event
                                continue
                            event = Event.model_validate_json(sent.data)
                            after = event.id
                            retries.reset(self._retries)
                            yield event
                            if event.is_last:
                                return
                outcome = stream.response
                if outcome.status_code < 400:
                    outcome = httpx.ReadError("the event stream ended early")
            except httpx.TransportError as error:
                outcome = error
            self._pause(retries, outcome)

    def wait(self, job_id: str, *, on_event: OnEvent | None = None, timeout: float | None = None) -> Job:
        """The job once it has ended, in whatever way.

        Raises:
            WaitTimeoutError: not within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for event in self.events(job_id):
            if on_event is not None:
                on_event(event)
            if deadline is not None and time.monotonic() > deadline and not event.is_last:
                raise _waited(job_id, timeout)
        return self.get(job_id)

    def download(self, job: Job, folder: Path | str, *, names: list[str] | None = None) -> list[Path]:
        """Fetch a job's artifacts (or those named) into a folder."""
        return [self._fetch(artifact, Path(folder)) for artifact in _wanted(job, names)]

    def generate(
        self,
        *,
        output_dir: Path | str,
        image: FileSource | None = None,
        mesh: FileSource | None = None,
        mask: FileSource | None = None,
        options: Options | None = None,
        on_event: OnEvent | None = None,
    ) -> Job:
        """Submit, follow, and fetch each part as it comes and everything at the end.

        Raises:
            ProblemError: the job did not succeed; parts that came are in `output_dir`.
        """
        job = self.submit(image=image, mesh=mesh, mask=mask, options=options)
        for event in self.events(job.id):
            if event.part is not None:
                self._fetch(event.part, Path(output_dir))
            if on_event is not None:
                on_event(event)
        job = self.get(job.id).result()
        self.download(job, output_dir)
        return job

    def _fetch(self, artifact: Artifact, folder: Path) -> Path:
        return self._run(calls.fetch(artifact.url, folder / Path(artifact.name).name))

    def _run(self, flow: Flow[Result]) -> Result:
        try:
            call = next(flow)
            while True:
                try:
                    response = self._answer(call)
                except ProblemError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(response)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _answer(self, call: Call) -> httpx.Response:
        retries = Retries(self._retries)
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = self._http.send(_built(self._http, call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.status_code < 400:
                return outcome
            self._pause(retries, outcome)

    def _pause(self, retries: Retries, outcome: httpx.Response | httpx.TransportError) -> None:
        delay = retries.delay_after(outcome)
        if delay is None:
            _fail(self._http.base_url, outcome)
        else:
            time.sleep(delay)


class AsyncAutoPartGenClient:
    """`AutoPartGenClient` for asyncio, method by method."""

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: int = _RETRIES) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, headers=_headers(api_key), timeout=_TIMEOUT)
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

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
        return await self._run(
            calls.submit(image=image, mesh=mesh, mask=mask, options=options, idempotency_key=idempotency_key)
        )

    async def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return await self._run(calls.get(job_id))

    async def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return await self._run(calls.page(status=status, limit=limit, cursor=cursor))

    async def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return await self._run(calls.cancel(job_id))

    async def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts."""
        await self._run(calls.delete(job_id))

    async def events(self, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job until it has ended; a broken connection is taken up again where it broke."""
        retries = Retries(self._retries)
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                async with httpx_sse.aconnect_sse(
                    self._http, "GET", _events_path(job_id), headers=_after(after), timeout=_STREAM_TIMEOUT
                ) as stream:
                    if stream.response.status_code >= 400:
                        await stream.response.aread()
                    else:
                        async for sent in stream.aiter_sse():
                            if not sent.data:  # a heartbeat, which httpx-sse tells as an event
                                continue
                            event = Event.model_validate_json(sent.data)
                            after = event.id
                            retries.reset(self._retries)
                            yield event
                            if event.is_last:
                                return
                outcome = stream.response
                if outcome.status_code < 400:
                    outcome = httpx.ReadError("the event stream ended early")
            except httpx.TransportError as error:
                outcome = error
            await self._pause(retries, outcome)

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
            raise _waited(job_id, timeout) from error
        return await self.get(job_id)

    async def download(self, job: Job, folder: Path | str, *, names: list[str] | None = None) -> list[Path]:
        """Fetch a job's artifacts (or those named) into a folder."""
        return [await self._fetch(artifact, Path(folder)) for artifact in _wanted(job, names)]

    async def generate(
        self,
        *,
        output_dir: Path | str,
        image: FileSource | None = None,
        mesh: FileSource | None = None,
        mask: FileSource | None = None,
        options: Options | None = None,
        on_event: OnEvent | None = None,
    ) -> Job:
        """Submit, follow, and fetch each part as it comes and everything at the end.

        Raises:
            ProblemError: the job did not succeed; parts that came are in `output_dir`.
        """
        job = await self.submit(image=image, mesh=mesh, mask=mask, options=options)
        async for event in self.events(job.id):
            if event.part is not None:
                await self._fetch(event.part, Path(output_dir))
            if on_event is not None:
                on_event(event)
        job = (await self.get(job.id)).result()
        await self.download(job, output_dir)
        return job

    async def _fetch(self, artifact: Artifact, folder: Path) -> Path:
        return await self._run(calls.fetch(artifact.url, folder / Path(artifact.name).name))

    async def _run(self, flow: Flow[Result]) -> Result:
        try:
            call = next(flow)
            while True:
                try:
                    response = await self._answer(call)
                except ProblemError as error:
                    call = flow.throw(error)
                else:
                    call = flow.send(response)
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def _answer(self, call: Call) -> httpx.Response:
        retries = Retries(self._retries)
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._http.send(_built(self._http, call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.status_code < 400:
                return outcome
            await self._pause(retries, outcome)

    async def _pause(self, retries: Retries, outcome: httpx.Response | httpx.TransportError) -> None:
        delay = retries.delay_after(outcome)
        if delay is None:
            _fail(self._http.base_url, outcome)
        else:
            await asyncio.sleep(delay)


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def _built(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    return http.build_request(
        call.method,
        call.path,
        params=dict(call.params) or None,
        headers=dict(call.headers),
        files=dict(call.files) or None,
        data=dict(call.data) or None,
    )


def _fail(base_url: httpx.URL, outcome: httpx.Response | httpx.TransportError) -> None:
    if isinstance(outcome, httpx.Response):
        calls.checked(outcome)
    else:
        raise calls.unreachable(base_url, outcome) from outcome


def _events_path(job_id: str) -> str:
    return f"/v1/jobs/{job_id}/events"


def _after(event_id: int) -> dict[str, str]:
    return {"Last-Event-ID": str(event_id)} if event_id else {}


def _wanted(job: Job, names: list[str] | None) -> list[Artifact]:
    return [artifact for artifact in job.artifacts if names is None or artifact.name in names]


def _waited(job_id: str, timeout: float | None) -> WaitTimeoutError:
    return WaitTimeoutError(f"job {job_id} has not ended within {timeout:g} s; it goes on")
