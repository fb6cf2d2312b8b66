"""Between table rows and records; the only place that knows column order and JSON forms."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from apg_core.protocol.job import Artifact, Event, EventType, JobStatus, Problem
from apg_core.protocol.mode import InputEntry
from deployments.stores.jobs.database import put_row
from deployments.stores.jobs.records import JobRecord, PartRecord, StoredArtifact
from deployments.stores.jobs.tables import artifacts, events, jobs, parts

JobRow = Row[*tuple[Any, ...]]
"""A row of one of the tables, by column name."""

JobRows = Sequence[JobRow]


def artifact_url(job_id: str, name: str) -> str:
    """Where a job's artifact is fetched from, relative to the service."""
    return f"/v1/jobs/{job_id}/artifacts/{name}"


def public_artifact(job_id: str, stored: StoredArtifact) -> Artifact:
    """What the caller sees of a stored artifact."""
    return Artifact(
        name=stored.name,
        media_type=stored.media_type,
        bytes=stored.bytes,
        sha256=stored.sha256,
        url=artifact_url(job_id, stored.name),
    )


def records_of(connection: Connection, rows: JobRows) -> tuple[JobRecord, ...]:
    """Whole records for rows of `jobs`, with their artifacts and places in the queue."""
    found: dict[str, list[StoredArtifact]] = {row.id: [] for row in rows}
    query = select(artifacts).where(artifacts.c.job_id.in_(found)).order_by(artifacts.c.name)
    for one in connection.execute(query):
        found[one.job_id].append(
            StoredArtifact(name=one.name, key=one.key, media_type=one.media_type, bytes=one.bytes, sha256=one.sha256)
        )
    return tuple(_record(row, found[row.id], _queue_position(connection, row)) for row in rows)


def parts_of(connection: Connection, job_id: str) -> tuple[PartRecord, ...]:
    """The accepted parts of a job, in their order."""
    query = select(parts).where(parts.c.job_id == job_id).order_by(parts.c.part)
    return tuple(PartRecord(index=one.part, facts=one.facts) for one in connection.execute(query))


def insert_artifacts(connection: Connection, job_id: str, stored: Iterable[StoredArtifact]) -> None:
    """Note artifacts of a job; one with the same name is replaced."""
    for one in stored:
        values = {"key": one.key, "media_type": one.media_type, "bytes": one.bytes, "sha256": one.sha256}
        put_row(connection, artifacts, key={"job_id": job_id, "name": one.name}, values=values)


def add_event(connection: Connection, row: JobRow, *, kind: EventType, at: float, part: Artifact | None = None) -> None:
    """Add the next event of a job; `row` is its row of `jobs` after the change that the event tells of."""
    event = Event(
        id=row.last_event + 1,
        type=kind,
        job_id=row.id,
        at=datetime.fromtimestamp(at, UTC),
        stage=row.stage,
        progress=row.progress,
        parts_done=row.parts_done,
        parts_total=row.parts_total,
        part=part,
        stop_reason=row.stop_reason,
        error=None if row.error is None else Problem.model_validate(row.error),
    )
    body = event.model_dump(mode="json", exclude={"id", "at", "job_id"})
    connection.execute(insert(events).values(job_id=row.id, id=event.id, at=at, body=body))
    connection.execute(update(jobs).where(jobs.c.id == row.id).values(last_event=event.id))


def event_of(row: JobRow) -> Event:
    """The event that a row of `events` holds."""
    return Event(id=row.id, job_id=row.job_id, at=datetime.fromtimestamp(row.at, UTC), **row.body)


def _queue_position(connection: Connection, row: JobRow) -> int | None:
    if row.status != JobStatus.QUEUED:
        return None
    ahead = (jobs.c.status == JobStatus.QUEUED) & (jobs.c.number < row.number) & ~jobs.c.deleted
    return connection.execute(select(func.count()).select_from(jobs).where(ahead)).scalar_one()


def _record(row: JobRow, stored: list[StoredArtifact], queue_position: int | None) -> JobRecord:
    return JobRecord(
        number=row.number,
        id=row.id,
        owner=row.owner,
        status=JobStatus(row.status),
        stage=row.stage,
        progress=row.progress,
        parts_done=row.parts_done,
        parts_total=row.parts_total,
        queue_position=queue_position,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        runs=row.attempt,
        seed=row.seed,
        mode=row.mode,
        options=row.options,
        inputs={name: InputEntry.model_validate(entry) for name, entry in row.inputs.items()},
        stop_reason=row.stop_reason,
        error=None if row.error is None else Problem.model_validate(row.error),
        request_id=row.request_id,
        cancel_requested=row.cancel_requested,
        last_event=row.last_event,
        parent=row.parent,
        edit=row.edit,
        preset=row.preset,
        artifacts=tuple(stored),
    )
