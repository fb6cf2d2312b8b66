"""The synchronous client."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx
from httpx_sse import connect_sse

from apg_core.protocol.edit import Edit
from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from clients.async_jobs import OnEvent
from clients.errors import WaitTimeoutError
from clients.files import LOOK_SECONDS, FileSource, is_being_drawn, wanted, write_artifact
from clients.http.calls import STREAM_TIMEOUT, TIMEOUT, Call, Calls, Flow, Result, headers_of
from clients.http.retries import RETRIES, Reply
from clients.submission import Inputs


class AutoPartGenClient:
    """Talks to a service at `base_url`; use it as a context, or close it.

    Calls are tried again where that is safe: every call is, because a submission has an idempotency key. All methods
    raise `ProblemError` for what the service refuses and `ServiceUnreachableError` when it does not answer.
    """

    def __init__(self, base_url: str, api_key: str | None = None, *, retries: int = RETRIES) -> None:
        self._http = httpx.Client(base_url=base_url, headers=headers_of(api_key), timeout=TIMEOUT)
        self._calls = Calls(service=base_url, attempts=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def submit(self, **given: Unpack[Inputs]) -> Job:
        """Queue a job for an image, a mesh, or both, with a part mask of the image if there is one."""
        return self._run(self._calls.submit(**given))

    def edit(self, job: Job | str, change: Edit, *, idempotency_key: str | None = None) -> Job:
        """Queue a job that changes what another has made, which stays as it is."""
        return self._run(self._calls.edit(job, change, idempotency_key))

    def suggest_mask(self, image: FileSource, options: MaskOptions | None = None) -> MaskSuggestion:
        """Regions of the object in an image, for every number of regions at once; nothing is queued or kept."""
        content = self._run(self._calls.mask(image, options, "application/json"))
        return MaskSuggestion.model_validate_json(content)

    def suggest_mask_png(self, image: FileSource, options: MaskOptions | None = None) -> bytes:
        """The same as an indexed PNG, as `submit` takes it for a mask."""
        return self._run(self._calls.mask(image, options, "image/png"))

    def get(self, job_id: str) -> Job:
        """The job as it is now."""
        return self._run(self._calls.get(job_id))

    def jobs(self, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None) -> JobPage:
        """Your jobs, newest first."""
        return self._run(self._calls.page(status=status, limit=limit, cursor=cursor))

    def cancel(self, job_id: str) -> Job:
        """Stop a job; the parts that it has accepted stay."""
        return self._run(self._calls.cancel(job_id))

    def delete(self, job_id: str) -> None:
        """Remove a job and its artifacts."""
        self._run(self._calls.delete(job_id))

    def events(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """Events of a job until it has ended; a broken connection is taken up again where it broke."""
        return self._follow(job_id, after=after, deadline=math.inf)

    def wait(self, job_id: str, *, on_event: OnEvent | None = None, timeout: float | None = None) -> Job:
        """The job once it has ended, in whatever way.

        Raises:
            WaitTimeoutError: not within `timeout` seconds, or up to a heartbeat of the service (15 s) later.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            for event in self._follow(job_id, after=0, deadline=deadline):
                if on_event is not None:
                    on_event(event)
        except TimeoutError as error:
            raise WaitTimeoutError.of(job_id, timeout) from error
        return self.get(job_id)

    def download(self, job: Job, folder: Path | str, *, names: list[str] | None = None) -> list[Path]:
        """Fetch a job's artifacts (or those named) into a folder; all of them, once its preview is there."""
        while names is None and is_being_drawn(job):
            time.sleep(LOOK_SECONDS)
            job = self.get(job.id)
        return [self._fetch(artifact, folder) for artifact in wanted(job, names)]

    def generate(self, *, output_dir: Path | str, on_event: OnEvent | None = None, **given: Unpack[Inputs]) -> Job:
        """Submit, follow, and fetch each part as it comes and everything at the end.

        Raises:
            ProblemError: the job did not succeed; parts that came are in `output_dir`.
        """
        job = self.submit(**given)
        for event in self.events(job.id):
            if event.part is not None:
                self._fetch(event.part, output_dir)
            if on_event is not None:
                on_event(event)
        job = self.get(job.id).result()
        self.download(job, output_dir)
        return job

    def _fetch(self, artifact: Artifact, folder: Path | str) -> Path:
        return write_artifact(artifact, self._run(self._calls.content(artifact)), folder)

    def _follow(self, job_id: str, *, after: int, deadline: float) -> Iterator[Event]:
        following = self._calls.follow(job_id, after=after)
        while True:
            call = following.call
            reply: Reply
            time.sleep(call.delay)
            try:
                with connect_sse(
                    self._http, call.method, call.path, headers=dict(call.headers), timeout=STREAM_TIMEOUT
                ) as stream:
                    reply = stream.response
                    reply.stream = _Until(deadline, reply)
                    if reply.is_error:
                        reply.read()
                    else:
                        for sent in stream.iter_sse():
                            if (event := following.hear(sent)) is not None:
                                yield event
                            if following.ended:
                                return
            except httpx.TransportError as error:
                reply = error
            following.break_off(reply)

    def _run(self, flow: Flow[Result]) -> Result:
        try:
            call = next(flow)
            while True:
                call = flow.send(self._send(call))
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _send(self, call: Call) -> Reply:
        time.sleep(call.delay)
        try:
            return self._http.send(call.request(self._http))
        except httpx.TransportError as error:
            return error


class _Until(httpx.SyncByteStream):
    """A stream that ends in `TimeoutError` when something comes after the deadline, if only a heartbeat."""

    def __init__(self, deadline: float, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)
        self._stream = response.stream
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if time.monotonic() > self._deadline:
                raise TimeoutError
            yield chunk

    def close(self) -> None:
        self._stream.close()
