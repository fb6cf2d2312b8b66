"""The calls of the service without I/O: what to send, how to read the answer, when to try again.

A flow is a generator that yields requests and is sent what became of them; a client drives it.
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar, Unpack

import httpx
from httpx_sse import ServerSentEvent
from pydantic import JsonValue

from apg_core.protocol.edit import Edit
from apg_core.protocol.job import Artifact, Event, Job, JobPage, JobStatus, ProblemError
from apg_core.protocol.mask import MaskOptions
from clients.files import FileSource
from clients.http.retries import Reply, Retries
from clients.submission import EditSubmission, Inputs, MaskRequest, Submission

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
STREAM_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=45.0)  # three heartbeats


@dataclass(frozen=True)
class Call:
    """One request, to be sent after `delay` seconds; every one is safe to repeat."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, JsonValue] | None = None
    delay: float = 0.0

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request of this call, for this client to send."""
        return http.build_request(
            self.method,
            self.path,
            params=dict(self.params) or None,
            headers=dict(self.headers),
            files=dict(self.files) or None,
            data=dict(self.data) or None,
            json=self.json,
        )


Result = TypeVar("Result")
Flow: TypeAlias = Generator[Call, Reply, Result]


@dataclass(frozen=True)
class Calls:
    """Flows of a service's calls, each request tried again up to `attempts` times where that may help.

    All raise `ProblemError` for what the service refuses and `ServiceUnreachableError` when it does not answer.
    """

    service: str
    """Its address, for messages."""
    attempts: int

    def submit(self, **given: Unpack[Inputs]) -> Flow[Job]:
        """Submit a job."""
        new = Submission.of(**given)
        headers, data = {"Idempotency-Key": new.key}, {"options": json.dumps(new.options)}
        if new.preset is not None:
            data["preset"] = new.preset
        response = yield from self._answer(Call("POST", "/v1/jobs", headers=headers, files=new.files, data=data))
        return Job.model_validate_json(response.content)

    def edit(self, job: Job | str, change: Edit, idempotency_key: str | None) -> Flow[Job]:
        """Edit a job."""
        new = EditSubmission.of(job, change, idempotency_key)
        headers = {"Idempotency-Key": new.key}
        call = Call("POST", f"/v1/jobs/{new.job_id}/edits", headers=headers, json=new.values)
        return Job.model_validate_json((yield from self._answer(call)).content)

    def mask(self, image: FileSource, options: MaskOptions | None, media_type: str) -> Flow[bytes]:
        """Have a mask suggested, as JSON or as a picture."""
        new = MaskRequest.of(image, options)
        headers, data = {"Accept": media_type}, {"options": json.dumps(new.options)}
        call = Call("POST", "/v1/masks", headers=headers, files=new.files, data=data)
        return (yield from self._answer(call)).content

    def get(self, job_id: str) -> Flow[Job]:
        """Look at a job."""
        response = yield from self._answer(Call("GET", f"/v1/jobs/{job_id}"))
        return Job.model_validate_json(response.content)

    def page(self, *, status: JobStatus | None, limit: int, cursor: str | None) -> Flow[JobPage]:
        """List jobs."""
        given = {"status": status, "limit": limit, "cursor": cursor}
        params = {name: value for name, value in given.items() if value is not None}
        response = yield from self._answer(Call("GET", "/v1/jobs", params=params))
        return JobPage.model_validate_json(response.content)

    def cancel(self, job_id: str) -> Flow[Job]:
        """Cancel a job."""
        response = yield from self._answer(Call("POST", f"/v1/jobs/{job_id}/cancel"))
        return Job.model_validate_json(response.content)

    def delete(self, job_id: str) -> Flow[None]:
        """Delete a job; one that is gone already is deleted."""
        try:
            yield from self._answer(Call("DELETE", f"/v1/jobs/{job_id}"))
        except ProblemError as error:
            if error.problem.status != 404:
                raise

    def content(self, artifact: Artifact) -> Flow[bytes]:
        """Fetch an artifact."""
        _, _, path = artifact.url.rpartition("/v1/")  # what comes before it is in this service's address already
        response = yield from self._answer(Call("GET", f"/v1/{path}"))
        return response.content

    def follow(self, job_id: str, *, after: int) -> "Following":
        """Follow a job's events beyond number `after`."""
        return Following(job_id, after=after, retries=Retries(self.attempts, service=self.service))

    def _answer(self, call: Call) -> Flow[httpx.Response]:
        retries = Retries(self.attempts, service=self.service)
        while True:
            reply = yield call
            if isinstance(reply, httpx.Response) and not reply.is_error:
                return reply
            call = replace(call, delay=retries.delay_after(reply))


class Following:
    """A follower of a job's events: where it is, and how it goes on after a broken connection."""

    def __init__(self, job_id: str, *, after: int, retries: Retries) -> None:
        self.ended = False
        self._path = f"/v1/jobs/{job_id}/events"
        self._after = after
        self._delay = 0.0
        self._retries = retries

    @property
    def call(self) -> Call:
        """The request for the events that have not been heard."""
        headers = {"Last-Event-ID": str(self._after)} if self._after else {}
        return Call("GET", self._path, headers=headers, delay=self._delay)

    def hear(self, sent: ServerSentEvent) -> Event | None:
        """The event that was sent; None for a heartbeat, which httpx-sse may tell as an event without data."""
        if not sent.data:
            return None
        event = Event.model_validate_json(sent.data)
        self._after = event.id
        self.ended = event.is_last
        self._retries.reset()
        return event

    def break_off(self, reply: Reply) -> None:
        """The stream was refused, broke, or ended before the job did; raises if there is no going on."""
        if isinstance(reply, httpx.Response) and not reply.is_error:
            reply = httpx.ReadError("the event stream ended early")
        self._delay = self._retries.delay_after(reply)


def headers_of(api_key: str | None) -> dict[str, str]:
    """What every request says of its sender."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
