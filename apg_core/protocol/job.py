"""A job as the service shows it: its state, its events, and the problem it may have ended with."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from apg_core.errors import ApgError
from apg_core.protocol.mode import InputEntry, Mode
from apg_core.protocol.stage import Stage

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class JobStatus(StrEnum):
    """Where a job is in its life: queued, running, then one of the ends; later expired."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more will happen to the job but its expiry."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Problem(_Value):
    """Why something failed, in the form of RFC 9457 (`application/problem+json`)."""

    type: str = "about:blank"
    """A URI reference that names the kind of problem."""
    title: str
    """The kind of problem in a few words, the same each time."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status that belongs to it."""
    detail: str
    """What went wrong this time, and what to do."""
    code: str
    """The kind of problem for programs."""
    field: str | None = None
    """The input or option that it is about."""
    retryable: bool = False
    """Whether the same request may work later."""
    request_id: str | None = None
    """The request that it belongs to; quote it when asking for help."""


class ProblemError(ApgError):
    """A problem that a service answered with, raised where it was called."""

    code = "problem"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, field=problem.field)
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problem,)


class Artifact(_Value):
    """A file that a job has left behind."""

    name: str
    """File name within the job, such as `mesh_000.glb`."""
    media_type: str
    """MIME type."""
    bytes: Count
    """Size."""
    sha256: str
    """Hash of the content, lower-case hexadecimal; also the ETag."""
    url: str
    """Where to fetch it: a path on the service's host."""

    def under(self, root: str) -> Self:
        """The same of a service that is served under this path."""
        return self.model_copy(update={"url": root + self.url})


class Links(_Value):
    """Addresses of a job: paths on the service's host."""

    self: str
    events: str
    cancel: str


class Job(_Value):
    """One generation that the service was asked for."""

    id: str
    status: JobStatus
    stage: Stage | None
    """What it is busy with while it runs."""
    progress: Fraction
    """Estimated share of the work done; never falls."""
    parts_done: Count
    parts_total: Count | None
    """Known beforehand only with a mask."""
    queue_position: Count | None
    """Jobs ahead of it while it is queued."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: Count
    """How many times a runner has taken it up."""
    seed: int
    mode: Mode
    preset: str = ""
    """What it is generated with; empty for a job of an older service."""
    options: dict[str, bool | int | float | str | None] = {}
    """All generation options as the job was queued with them, the preset's defaults among them."""
    inputs: dict[str, InputEntry] = {}
    """Its input files by kind."""
    parent: str | None = None
    """Id of the job that it edits; null where it is no edit."""
    edit: dict[str, JsonValue] | None = None
    """What was asked of the parent."""
    stop_reason: str | None
    """Why generation ended, once it has."""
    artifacts: list[Artifact]
    error: Problem | None
    """Why it failed, if it did."""
    request_id: str | None
    """The request that submitted it."""
    links: Links

    def under(self, root: str) -> Self:
        """The same of a service that is served under this path."""
        links = {name: root + path for name, path in self.links.model_dump().items()}
        artifacts = [one.under(root) for one in self.artifacts]
        return self.model_copy(update={"links": Links(**links), "artifacts": artifacts})

    def result(self) -> Self:
        """This job, if it succeeded.

        Raises:
            ProblemError: it failed, was cancelled, expired, or has not ended.
        """
        if self.status is JobStatus.SUCCEEDED:
            return self
        raise ProblemError(self.error or _not_succeeded(self))


class JobPage(_Value):
    """Some jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None
    """Give it as `cursor` for the jobs after these; None at the end."""


EventType = Literal["progress", "part", "succeeded", "failed", "cancelled"]


class Event(_Value):
    """Something that happened to a job; numbered from 1 without gaps."""

    id: Annotated[int, Field(ge=1)]
    type: EventType
    job_id: str
    at: datetime
    stage: Stage | None = None
    progress: Fraction
    parts_done: Count
    parts_total: Count | None = None
    part: Artifact | None = None
    """The part that can be fetched now (`part` events)."""
    stop_reason: str | None = None
    """Why generation ended (the last event)."""
    error: Problem | None = None
    """Why the job failed (`failed` events)."""

    def under(self, root: str) -> Self:
        """The same of a service that is served under this path."""
        return self if self.part is None else self.model_copy(update={"part": self.part.under(root)})

    @property
    def is_last(self) -> bool:
        """Whether the job has ended with this event."""
        return self.type in ("succeeded", "failed", "cancelled")


def _not_succeeded(job: Job) -> Problem:
    return Problem(
        title="Job did not succeed",
        status=410 if job.status is JobStatus.EXPIRED else 409,
        detail=f"job {job.id} is {job.status}, not succeeded",
        code=f"job_{job.status}",
        request_id=job.request_id,
    )
