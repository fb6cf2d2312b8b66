"""What callers do with jobs: submit, look, list, cancel, delete, read events."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from apg_core.protocol.job import JobStatus
from deployments.errors import ExpiredError, IdempotencyError, JobNotFoundError, QueueFullError, TooManyJobsError
from deployments.stores.jobs import tallies
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.records import (
    EventPage,
    IdempotencyKey,
    JobRecord,
    JsonObject,
    NewJob,
    PartRecord,
    QueueLimits,
    RecordPage,
)
from deployments.stores.jobs.rows import JobRow, add_event, event_of, insert_artifacts, parts_of, records_of
from deployments.stores.jobs.sharing import folders_left_by
from deployments.stores.jobs.tables import events, idempotency, jobs
from deployments.stores.jobs.tallies import Tally, Total

IDEMPOTENCY_SECONDS = 24 * 3600
_OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)


@dataclass(frozen=True)
class Submitted:
    """A job that was submitted; `replayed` when an earlier submission with the same key made it."""

    job: JobRecord
    replayed: bool


class JobStore:
    """Jobs as their owners see them; another owner's job is not there at all."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def submit(self, new: NewJob, *, limits: QueueLimits, idempotency: IdempotencyKey | None) -> Submitted:
        """Queue a job, or give the one that the same idempotency key made before.

        Raises:
            IdempotencyError: the key came before with another body.
            QueueFullError, TooManyJobsError: a limit is reached.
            JobNotFoundError, ExpiredError: the job that it edits is gone.
        """
        with self._database.writing() as connection:
            self._database.queue_up(connection)
            if idempotency and (earlier := self._earlier(connection, new.owner, idempotency)):
                return Submitted(earlier, replayed=True)
            _check_room(connection, new.owner, limits)
            if new.parent is not None:
                _check_there(connection, new.parent, new.owner)
            row = self._insert(connection, new, idempotency)
            return Submitted(records_of(connection, [row])[0], replayed=False)

    def replay(self, owner: str, key: IdempotencyKey) -> JobRecord | None:
        """The job that this idempotency key made before, if any.

        Raises:
            IdempotencyError: the key came before with another body.
        """
        with self._database.reading() as connection:
            return self._earlier(connection, owner, key)

    def check_room(self, owner: str, limits: QueueLimits) -> None:
        """Refuse a job that could not be queued now, before work is spent on it; `submit` asks again.

        Raises:
            QueueFullError, TooManyJobsError: there is no room.
        """
        with self._database.reading() as connection:
            _check_room(connection, owner, limits)

    def get(self, job_id: str, owner: str) -> JobRecord:
        """One job.

        Raises:
            JobNotFoundError: there is none of this id that belongs to the owner.
        """
        with self._database.reading() as connection:
            return records_of(connection, [_find(connection, job_id, owner)])[0]

    def page(self, owner: str, *, limit: int, before: int | None = None, status: JobStatus | None = None) -> RecordPage:
        """The owner's jobs, newest first, from those older than number `before`."""
        query = select(jobs).where(jobs.c.owner == owner, ~jobs.c.deleted)
        if before is not None:
            query = query.where(jobs.c.number < before)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(jobs.c.number.desc()).limit(limit + 1)).all()
            more = len(rows) > limit
            return RecordPage(
                records=records_of(connection, rows[:limit]),
                next_number=rows[limit - 1].number if more else None,
            )

    def cancel(self, job_id: str, owner: str) -> JobRecord:
        """Stop a job: at once while it is queued, at its runner's next look while it runs; else nothing."""
        with self._database.writing() as connection:
            row = _find(connection, job_id, owner, lock=True)
            if row.status == JobStatus.QUEUED:
                row = self._end_queued(connection, row)
            elif row.status == JobStatus.RUNNING:
                changed = update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True)
                row = connection.execute(changed.returning(*jobs.c)).one()
            return records_of(connection, [row])[0]

    def hide(self, job_id: str, owner: str) -> bool:
        """Take a job out of sight, cancelled; returns whether it can be removed now (no runner holds it)."""
        with self._database.writing() as connection:
            row = _find(connection, job_id, owner, lock=True)
            if row.status == JobStatus.QUEUED:
                row = self._end_queued(connection, row)
            values = {"deleted": True, "cancel_requested": row.status == JobStatus.RUNNING}
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
            return JobStatus(row.status).is_terminal

    def parts(self, job_id: str) -> tuple[PartRecord, ...]:
        """The parts that a job has accepted, in their order."""
        with self._database.reading() as connection:
            return parts_of(connection, job_id)

    def checkpoint(self, job_id: str) -> JsonObject:
        """What a job has kept to go on from, beside its parts and files."""
        with self._database.reading() as connection:
            found = connection.execute(select(jobs.c.checkpoint).where(jobs.c.id == job_id)).scalar_one_or_none()
            return found or {}

    def folders_left_by(self, job_id: str) -> Mapping[str, frozenset[str]]:
        """See `sharing`; the job is hidden already."""
        with self._database.reading() as connection:
            return folders_left_by(connection, job_id)

    def remove(self, job_id: str) -> None:
        """Remove a hidden job whose artifacts are gone."""
        with self._database.writing() as connection:
            connection.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.deleted))

    def events_after(self, job_id: str, owner: str, after: int) -> EventPage:
        """Events of a job that come after number `after`."""
        with self._database.reading() as connection:
            row = _find(connection, job_id, owner)
            query = select(events).where(events.c.job_id == job_id, events.c.id > after).order_by(events.c.id)
            found = tuple(event_of(one) for one in connection.execute(query))
            return EventPage(events=found, ended=JobStatus(row.status).is_terminal)

    def last_events(self, job_ids: Collection[str]) -> dict[str, int]:
        """Number of the newest event of each of these jobs; one that is gone is left out."""
        query = select(jobs.c.id, jobs.c.last_event).where(jobs.c.id.in_(job_ids), ~jobs.c.deleted)
        with self._database.reading() as connection:
            return {row.id: row.last_event for row in connection.execute(query)}

    def ping(self) -> None:
        """Raise `StoreError` unless the database answers."""
        with self._database.reading() as connection:
            connection.execute(select(1))

    def _earlier(self, connection: Connection, owner: str, key: IdempotencyKey) -> JobRecord | None:
        since = self._clock() - IDEMPOTENCY_SECONDS
        mine = (idempotency.c.owner == owner) & (idempotency.c.key == key.key)
        row = connection.execute(select(idempotency).where(mine, idempotency.c.created_at > since)).one_or_none()
        if row is None:
            return None
        if row.body_sha256 != key.body_sha256:
            raise IdempotencyError(
                "this idempotency key was used before with another body; use a new key for a new job",
                field="Idempotency-Key",
            )
        found = connection.execute(select(jobs).where(jobs.c.id == row.job_id, ~jobs.c.deleted)).all()
        return records_of(connection, found)[0] if found else None

    def _insert(self, connection: Connection, new: NewJob, key: IdempotencyKey | None) -> JobRow:
        now = self._clock()
        row = connection.execute(
            insert(jobs)
            .values(
                id=new.id,
                owner=new.owner,
                status=JobStatus.QUEUED,
                created_at=now,
                seed=new.seed,
                mode=new.mode,
                preset=new.preset,
                options=new.options,
                inputs={name: entry.model_dump() for name, entry in new.inputs.items()},
                parts_total=new.parts_total,
                parts_done=new.parts_done,
                request_id=new.request_id,
                parent=new.parent,
                edit=new.edit,
            )
            .returning(*jobs.c)
        ).one()
        insert_artifacts(connection, new.id, new.artifacts)
        if key is not None:
            mine = (idempotency.c.owner == new.owner) & (idempotency.c.key == key.key)
            connection.execute(delete(idempotency).where(mine))
            connection.execute(
                insert(idempotency).values(
                    owner=new.owner, key=key.key, body_sha256=key.body_sha256, job_id=new.id, created_at=now
                )
            )
        tally = Tally()
        tally.count(Total.SUBMITTED, label=new.mode)
        tallies.add(connection, tally)
        return row

    def _end_queued(self, connection: Connection, row: JobRow) -> JobRow:
        now = self._clock()
        ended = (
            update(jobs)
            .where(jobs.c.id == row.id)
            .values(status=JobStatus.CANCELLED, finished_at=now, stop_reason="cancelled")
        )
        row = connection.execute(ended.returning(*jobs.c)).one()
        add_event(connection, row, kind="cancelled", at=now)
        tally = Tally()
        tally.count(Total.FINISHED, label="cancelled")
        tallies.add(connection, tally)
        return row


def _find(connection: Connection, job_id: str, owner: str, *, lock: bool = False) -> JobRow:
    query = select(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner, ~jobs.c.deleted)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise JobNotFoundError(f"there is no job {job_id!r}; its id is in the answer to its submission")
    return row


def _check_there(connection: Connection, parent: str, owner: str) -> None:
    """Locked, so that its files are still there when the job that shares them is."""
    if _find(connection, parent, owner, lock=True).status == JobStatus.EXPIRED:
        raise ExpiredError("the artifacts of this job were removed after the retention time")


def _check_room(connection: Connection, owner: str, limits: QueueLimits) -> None:
    counted = select(func.count()).select_from(jobs)
    queued = connection.execute(counted.where(jobs.c.status == JobStatus.QUEUED)).scalar_one()
    if queued >= limits.queued:
        raise QueueFullError(f"the queue is full ({queued} jobs); try again later")
    mine = connection.execute(counted.where(jobs.c.owner == owner, jobs.c.status.in_(_OPEN))).scalar_one()
    if mine >= limits.per_owner:
        raise TooManyJobsError(f"this key has {mine} unfinished jobs, and may have {limits.per_owner}; wait for one")
