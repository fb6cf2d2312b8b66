"""The values that go into the job store and come out of it."""

from dataclasses import dataclass, field

from pydantic import JsonValue

from apg_core.protocol.job import Event, JobStatus, Problem
from apg_core.protocol.mode import InputEntry, Mode

JsonObject = dict[str, JsonValue]
OptionValues = dict[str, bool | int | float | str | None]


@dataclass(frozen=True, kw_only=True)
class StoredArtifact:
    """A file in the artifact store, and the name that its job knows it by."""

    name: str
    key: str
    media_type: str
    bytes: int
    sha256: str

    @property
    def is_hidden(self) -> bool:
        """Whether it is for runners only: inputs, and what a resumed run needs."""
        return self.name.startswith(".")


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to be queued; its inputs are in the artifact store already."""

    id: str
    owner: str
    mode: Mode
    seed: int
    options: OptionValues
    inputs: dict[str, InputEntry]
    preset: str = ""
    """What it is run with; empty for whichever is the service's first."""
    artifacts: tuple[StoredArtifact, ...] = ()
    parts_total: int | None = None
    request_id: str | None = None
    parent: str | None = None
    """Id of the job that this one edits."""
    edit: JsonObject | None = None
    parts_done: int = 0
    """Parts that an edit leaves alone."""


@dataclass(frozen=True, kw_only=True)
class IdempotencyKey:
    """The caller's own name for a submission."""

    key: str
    body_sha256: str


@dataclass(frozen=True, kw_only=True)
class QueueLimits:
    """How many unfinished jobs there may be."""

    queued: int
    per_owner: int


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job as the store has it."""

    number: int
    id: str
    owner: str
    status: JobStatus
    stage: str | None
    progress: float
    parts_done: int
    parts_total: int | None
    queue_position: int | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    runs: int
    """How often it was taken up; `attempt` to callers."""
    seed: int
    mode: Mode
    options: OptionValues
    inputs: dict[str, InputEntry]
    stop_reason: str | None
    error: Problem | None
    request_id: str | None
    cancel_requested: bool
    last_event: int
    parent: str | None = None
    edit: JsonObject | None = None
    preset: str = ""
    artifacts: tuple[StoredArtifact, ...] = ()

    def artifact(self, name: str) -> StoredArtifact | None:
        """The artifact of this name, if the job has it."""
        return next((one for one in self.artifacts if one.name == name), None)


@dataclass(frozen=True, kw_only=True)
class RecordPage:
    """Some jobs, newest first; `next_number` is where the next page begins."""

    records: tuple[JobRecord, ...]
    next_number: int | None


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which jobs a runner takes up."""

    preset: str
    """What it runs them with."""
    others: frozenset[str] | None = None
    """Presets that have runners of their own: all other jobs are this one's. None: those of `preset` alone are."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to run a job, for a while."""

    job_id: str
    token: str
    run: int
    """Which run of the job this is, from 1."""


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """A part that was accepted: facts for the manifest and for going on after it."""

    index: int
    """Place among the parts that its job has accepted."""
    facts: JsonObject


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that a runner has taken up, with what earlier attempts have left."""

    lease: Lease
    job: JobRecord
    parts: tuple[PartRecord, ...] = ()
    checkpoint: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Events of one job in order, and whether the last of them is the end."""

    events: tuple[Event, ...]
    ended: bool
