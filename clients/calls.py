"""Requests and answers as values, and when to try again: what the sync and the async client share. No I/O.

A flow is a generator that yields calls and is sent their answers; a client drives it.
"""

import json
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar
from uuid import uuid4

import httpx
from pydantic import JsonValue, ValidationError

from apg_core.protocol.job import Job, JobPage, JobStatus, Problem, ProblemError
from apg_core.protocol.options import GenerationOptions
from clients.errors import ServiceUnreachableError

FileSource: TypeAlias = Path | str | bytes
Options: TypeAlias = GenerationOptions | Mapping[str, JsonValue]

_TRY_AGAIN = frozenset({429, 502, 503, 504})
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 20.0


@dataclass(frozen=True)
class Call:
    """One request; safe to repeat unless said otherwise."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)


Result = TypeVar("Result")
Flow: TypeAlias = Generator[Call, httpx.Response, Result]


class Retries:
    """How often and when a call is tried again: growing delays with jitter, or what the service asks for."""

    def __init__(self, attempts: int) -> None:
        self._left = attempts
        self._delay = _FIRST_DELAY

    def delay_after(self, outcome: httpx.Response | httpx.TransportError) -> float | None:
        """Seconds until the next try; None when this outcome is final."""
        if isinstance(outcome, httpx.Response) and not _may_pass(outcome):
            return None
        if self._left == 0:
            return None
        self._left -= 1
        jittered = self._delay * random.uniform(0.5, 1.0)
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
        if isinstance(outcome, httpx.Response):
            asked = outcome.headers.get("retry-after", "")
            if asked.isdecimal():
                return min(max(float(asked), jittered), _LONGEST_DELAY)
        return jittered

    def reset(self, attempts: int) -> None:
        """Something worked: count from the start again."""
        self._left = attempts
        self._delay = _FIRST_DELAY


def _may_pass(response: httpx.Response) -> bool:
    if response.status_code in _TRY_AGAIN:
        return True
    # A proxy in front of the service says so in its own words while what it passes on to is being replaced.
    is_ours = response.headers.get("content-type", "").startswith("application/problem+json")
    return response.status_code >= 500 and not is_ours


def checked(response: httpx.Response) -> httpx.Response:
    """This answer, if it is a good one; its content must have been read.

    Raises:
        ProblemError: the service's problem.
        ServiceUnreachableError: something that is not this service answered.
    """
    if response.status_code < 400:
        return response
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise ServiceUnreachableError(
            f"{response.url} answered {response.status_code} and no problem that can be read; "
            "is this the address of the service?"
        ) from error
    raise ProblemError(problem)


def unreachable(base_url: httpx.URL, error: httpx.TransportError) -> ServiceUnreachableError:
    """The service did not answer."""
    reason = str(error) or type(error).__name__
    return ServiceUnreachableError(f"no answer from {base_url}: {reason}; is the service running (`apg serve`)?")


def submit(
    *,
    image: FileSource | None,
    mesh: FileSource | None,
    mask: FileSource | None,
    options: Options | None,
    idempotency_key: str | None,
) -> Flow[Job]:
    """Submit a job; repeating it does no harm, because it always has a key."""
    given = {"image": image, "mesh": mesh, "mask": mask}
    response = yield Call(
        "POST",
        "/v1/jobs",
        headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        files={name: _file(name, source) for name, source in given.items() if source is not None},
        data={"options": json.dumps(_plain(options))},
    )
    return Job.model_validate_json(response.content)


def get(job_id: str) -> Flow[Job]:
    """Look at a job."""
    response = yield Call("GET", f"/v1/jobs/{job_id}")
    return Job.model_validate_json(response.content)


def page(*, status: JobStatus | None, limit: int, cursor: str | None) -> Flow[JobPage]:
    """List jobs."""
    given = {"status": status, "limit": limit, "cursor": cursor}
    response = yield Call("GET", "/v1/jobs", params={k: v for k, v in given.items() if v is not None})
    return JobPage.model_validate_json(response.content)


def cancel(job_id: str) -> Flow[Job]:
    """Cancel a job."""
    response = yield Call("POST", f"/v1/jobs/{job_id}/cancel")
    return Job.model_validate_json(response.content)


def delete(job_id: str) -> Flow[None]:
    """Delete a job; one that is gone already is deleted."""
    try:
        yield Call("DELETE", f"/v1/jobs/{job_id}")
    except ProblemError as error:
        if error.problem.status != 404:
            raise


def fetch(url: str, target: Path) -> Flow[Path]:
    """Write an artifact to a file, under a temporary name until it is complete."""
    response = yield Call("GET", url)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_bytes(response.content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _file(name: str, source: FileSource) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return name, source
    path = Path(source)
    return path.name, path.read_bytes()


def _plain(options: Options | None) -> dict[str, JsonValue]:
    if isinstance(options, GenerationOptions):
        chosen: dict[str, JsonValue] = options.model_dump(mode="json", exclude_unset=True)
        return chosen
    return dict(options or {})
