"""What runners do with jobs: claim, renew, report, accept parts, finish.

Every step is conditional on the lease: a runner that has lost it changes nothing, so that a part is never
doubled and an ended job never changes, however late the runner wakes up.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum, auto
from typing import Literal
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from apg_core.protocol.job import JobStatus, Problem
from apg_core.protocol.stage import Stage
from deployments.errors import LeaseLostError
from deployments.stores.jobs import tallies
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.records import (
    Claim,
    JsonObject,
    Lease,
    PartRecord,
    Share,
    StoredArtifact,
)
from deployments.stores.jobs.rows import JobRow, add_event, insert_artifacts, parts_of, public_artifact, records_of
from deployments.stores.jobs.tables import artifacts as artifacts_table
from deployments.stores.jobs.tables import jobs, parts
from deployments.stores.jobs.tallies import Tally, Total


@dataclass(frozen=True)
class JobEnd:
    """How a job ends, and what it leaves behind."""

    status: Literal["succeeded", "failed", "cancelled"]
    _: KW_ONLY
    stop_reason: str | None = None
    error: Problem | None = None
    artifacts: Sequence[StoredArtifact] = ()
    parts_done: int | None = None
    """How many parts there are in the end, where that is not how many were accepted."""
    tally: Tally = field(default_factory=Tally)
    """What it adds to the totals beside its own end."""


class LeaseState(Enum):
    """What a runner is to do with a job that it runs."""

    HELD = auto()
    CANCEL = auto()
    LOST = auto()


class JobLeases:
    """Jobs as their runners see them."""

    def __init__(
        self,
        database: Database,
        *,
        lease_seconds: float,
        max_runs: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._max_runs = max_runs
        self._clock = clock

    def claim(self, runner: str, share: Share | None = None) -> Claim | None:
        """Take up the oldest job of the share (or of all) that is queued or whose lease has run out, if there is one.

        It has the share's preset from then on.
        """
        with self._database.reading() as connection:  # most looks find nothing: do not take the write lock
            if connection.execute(self._claimable(share)).one_or_none() is None:
                return None
        now = self._clock()
        changes: dict[str, object] = {
            "status": JobStatus.RUNNING,
            "lease": f"{runner}/{uuid4().hex}",
            "lease_until": now + self._lease_seconds,
            "started_at": func.coalesce(jobs.c.started_at, now),
            "attempt": jobs.c.attempt + 1,
        }
        if share is not None:
            changes["preset"] = share.preset
        with self._database.writing() as connection:
            chosen = self._claimable(share).with_for_update(skip_locked=True).scalar_subquery()
            claimed = update(jobs).where(jobs.c.number == chosen).values(changes).returning(*jobs.c)
            row = connection.execute(claimed).one_or_none()
            if row is None:
                return None
            add_event(connection, row, kind="progress", at=now)
            tallies.add(connection, _claim_tally(row, now))
            return _claim(connection, row)

    def unfinished(self, share: Share | None = None) -> int:
        """Jobs of the share (or all) that are queued or run, whoever runs them."""
        is_open = jobs.c.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
        query = select(func.count()).select_from(jobs).where(is_open, _in_share(share))
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one()

    def renew(self, leases: Collection[Lease]) -> dict[str, LeaseState]:
        """Hold these jobs for another lease time; says per job id what to do with it."""
        until = self._clock() + self._lease_seconds
        with self._database.writing() as connection:
            held = update(jobs).where(_held_by(leases)).values(lease_until=until)
            rows = connection.execute(held.returning(jobs.c.id, jobs.c.cancel_requested)).all()
        return _states(leases, rows)

    def look(self, leases: Collection[Lease]) -> dict[str, LeaseState]:
        """What to do with these jobs, without renewing: cheap enough for every moment."""
        with self._database.reading() as connection:
            query = select(jobs.c.id, jobs.c.cancel_requested).where(_held_by(leases))
            rows = connection.execute(query).all()
        return _states(leases, rows)

    def report(self, lease: Lease, *, stage: Stage, progress: float) -> None:
        """Tell how far the job is; its progress never falls."""
        with self._database.writing() as connection:
            row = _change(connection, lease, {"stage": stage, "progress": _not_below(progress)})
            add_event(connection, row, kind="progress", at=self._clock())

    def accept_part(
        self,
        lease: Lease,
        part: PartRecord,
        *,
        mesh: StoredArtifact,
        hidden: Iterable[StoredArtifact],
        progress: float,
    ) -> None:
        """Note an accepted part, whose files are in the artifact store already.

        Raises:
            LeaseLostError: another runner has the job, or this part is there already.
        """
        values = {"parts_done": jobs.c.parts_done + 1, "progress": _not_below(progress)}
        try:
            with self._database.writing() as connection:
                row = _change(connection, lease, values)
                connection.execute(insert(parts).values(job_id=lease.job_id, part=part.index, facts=part.facts))
                insert_artifacts(connection, lease.job_id, [mesh, *hidden])
                add_event(connection, row, kind="part", at=self._clock(), part=public_artifact(lease.job_id, mesh))
        except IntegrityError as error:
            raise LeaseLostError(f"part {part.index} of job {lease.job_id} is there already") from error

    def keep(self, lease: Lease, *, artifacts: Iterable[StoredArtifact], checkpoint: JsonObject) -> None:
        """Note further artifacts, and what a resumed run needs beside its accepted parts."""
        with self._database.writing() as connection:
            _change(connection, lease, {"checkpoint": checkpoint})
            insert_artifacts(connection, lease.job_id, artifacts)

    def finish(self, lease: Lease, end: JobEnd) -> None:
        """End the job; nothing changes it afterwards.

        A success has exactly the artifacts that are given here; another ending keeps those of its accepted parts too.
        """
        now = self._clock()
        values: dict[str, object] = {
            "status": JobStatus(end.status),
            "finished_at": now,
            "stop_reason": end.stop_reason,
            "error": None if end.error is None else end.error.model_dump(mode="json"),
            "lease": None,
            "lease_until": None,
            "stage": None,
        }
        if end.status == "succeeded":
            values["progress"] = 1.0
        if end.parts_done is not None:
            values["parts_done"] = end.parts_done
        with self._database.writing() as connection:
            row = _change(connection, lease, values)
            if end.status == "succeeded":  # what was early is replaced by what is final, and what was dropped goes
                early = (artifacts_table.c.job_id == lease.job_id) & ~artifacts_table.c.name.startswith(".")
                connection.execute(delete(artifacts_table).where(early))
            insert_artifacts(connection, lease.job_id, end.artifacts)
            add_event(connection, row, kind=end.status, at=now)
            totals = end_tally(row, now)
            totals.include(end.tally)
            tallies.add(connection, totals)

    def add_to_success(self, lease: Lease, artifact: StoredArtifact) -> None:
        """Note a further artifact of a job that this run has ended well.

        Raises:
            LeaseLostError: the job is gone, or its artifacts are.
        """
        ended = and_(
            jobs.c.id == lease.job_id,
            jobs.c.status == JobStatus.SUCCEEDED,
            jobs.c.attempt == lease.run,
            ~jobs.c.deleted,
        )
        with self._database.writing() as connection:
            if connection.execute(select(jobs.c.id).where(ended)).one_or_none() is None:
                raise LeaseLostError(f"job {lease.job_id} is gone")
            insert_artifacts(connection, lease.job_id, [artifact])

    def release(self, lease: Lease) -> None:
        """Give the job back to the queue, as when its runner is asked to shut down; costs no run.

        A job that its owner wants cancelled ends instead.
        """
        values = {
            "status": JobStatus.QUEUED,
            "lease": None,
            "lease_until": None,
            "attempt": jobs.c.attempt - 1,
        }
        with self._database.writing() as connection:
            row = _change(connection, lease, values)
            if row.cancel_requested:
                now = self._clock()
                end = {"status": JobStatus.CANCELLED, "stop_reason": "cancelled", "finished_at": now, "stage": None}
                ended = connection.execute(update(jobs).where(jobs.c.id == row.id).values(end).returning(*jobs.c)).one()
                add_event(connection, ended, kind="cancelled", at=now)
                tallies.add(connection, end_tally(ended, now))

    def _claimable(self, share: Share | None) -> Select[int]:
        lapsed = and_(
            jobs.c.status == JobStatus.RUNNING,
            jobs.c.lease_until < self._clock(),
            jobs.c.attempt < self._max_runs,
        )
        wanted = and_(~jobs.c.deleted, ~jobs.c.cancel_requested)
        query = select(jobs.c.number).where(wanted, _in_share(share), or_(jobs.c.status == JobStatus.QUEUED, lapsed))
        return query.order_by(jobs.c.number).limit(1)


def _in_share(share: Share | None) -> ColumnElement[bool]:
    if share is None:
        return true()
    return jobs.c.preset == share.preset if share.others is None else jobs.c.preset.not_in(share.others)


def end_tally(row: JobRow, now: float) -> Tally:
    """What the end of a job adds to the totals."""
    tally = Tally()
    tally.count(Total.FINISHED, label=row.status)
    tally.observe(tallies.JOB_SECONDS, now - row.created_at)
    tally.observe(tallies.JOB_PARTS, row.parts_done)
    tally.observe(tallies.JOB_RUNS, row.attempt)
    return tally


def _claim_tally(row: JobRow, now: float) -> Tally:
    tally = Tally()
    if row.attempt > 1:
        tally.count(Total.TAKEN_OVER)
    else:
        tally.observe(tallies.QUEUE_SECONDS, now - row.created_at)
    return tally


def _claim(connection: Connection, row: JobRow) -> Claim:
    return Claim(
        lease=Lease(job_id=row.id, token=row.lease, run=row.attempt),
        job=records_of(connection, [row])[0],
        parts=parts_of(connection, row.id),
        checkpoint=row.checkpoint or {},
    )


def _change(connection: Connection, lease: Lease, values: Mapping[str, object]) -> JobRow:
    row = connection.execute(update(jobs).where(_held_by([lease])).values(values).returning(*jobs.c)).one_or_none()
    if row is None:
        raise LeaseLostError(f"job {lease.job_id} is not held by this runner any more")
    return row


def _held_by(leases: Collection[Lease]) -> ColumnElement[bool]:
    return and_(
        jobs.c.lease.in_([lease.token for lease in leases]),
        jobs.c.id.in_([lease.job_id for lease in leases]),
        jobs.c.status == JobStatus.RUNNING,
    )


def _states(leases: Collection[Lease], rows: Iterable[JobRow]) -> dict[str, LeaseState]:
    found = {row.id: LeaseState.CANCEL if row.cancel_requested else LeaseState.HELD for row in rows}
    return {lease.job_id: found.get(lease.job_id, LeaseState.LOST) for lease in leases}


def _not_below(progress: float) -> ColumnElement[float]:
    return case((jobs.c.progress < progress, progress), else_=jobs.c.progress)
