"""What happens to jobs that nobody runs: lapsed ones end, old ones expire, deleted ones go."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import and_, delete, exists, or_, select, tuple_, update

from apg_core.protocol.job import JobStatus, Problem
from deployments.stores.jobs import tallies
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.leases import end_tally
from deployments.stores.jobs.records import JobRecord, StoredArtifact
from deployments.stores.jobs.rows import JobRow, add_event, insert_artifacts, records_of
from deployments.stores.jobs.sharing import folders_left_by, keys_in
from deployments.stores.jobs.store import IDEMPOTENCY_SECONDS
from deployments.stores.jobs.tables import artifacts, idempotency, jobs, parts

_IDS_A_QUERY = 500
_ARCHIVE_WITHIN_SECONDS = 3600.0
_KNOWN_FOR = 10  # retention times, after which an expired job is 404 instead of 410
_ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Ended(NamedTuple):
    """A job that has ended, and when: the order in which they did."""

    at: float
    number: int
    job_id: str


class Retention:
    """Keeps the job store tidy; every runner may do it, at any time."""

    def __init__(
        self,
        database: Database,
        *,
        retention_seconds: float,
        max_runs: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._retention_seconds = retention_seconds
        self._max_runs = max_runs
        self._clock = clock

    def settle(self) -> int:
        """End jobs whose lease ran out and that are not to be taken up again; returns how many."""
        now = self._clock()
        lapsed = and_(jobs.c.status == JobStatus.RUNNING, jobs.c.lease_until < now)
        unwanted = or_(jobs.c.cancel_requested, jobs.c.deleted, jobs.c.attempt >= self._max_runs)
        query = select(jobs).where(lapsed, unwanted)
        with self._database.reading() as connection:
            if connection.execute(query.limit(1)).one_or_none() is None:
                return 0
        with self._database.writing() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            for row in rows:
                changed = update(jobs).where(jobs.c.id == row.id).values(_ending(row, now))
                ended = connection.execute(changed.returning(*jobs.c)).one()
                add_event(connection, ended, kind=ended.status, at=now)
                tallies.add(connection, end_tally(ended, now))
            return len(rows)

    def due(self) -> tuple[str, ...]:
        """Ids of jobs whose artifacts are to be removed: deleted, or past the retention time, which expire by this."""
        expired = self._expire()
        left = exists().where(artifacts.c.job_id == jobs.c.id)
        old = and_(jobs.c.status == JobStatus.EXPIRED, or_(left, jobs.c.id.in_(expired)))
        gone = and_(jobs.c.deleted, jobs.c.status != JobStatus.RUNNING)
        with self._database.reading() as connection:
            return tuple(connection.execute(select(jobs.c.id).where(or_(old, gone)).limit(100)).scalars())

    def folders_left_by(self, job_id: str) -> Mapping[str, frozenset[str]]:
        """See `sharing`; the job is one of those that are due."""
        with self._database.reading() as connection:
            return folders_left_by(connection, job_id)

    def forget(self, job_id: str) -> None:
        """Remove a job if it was deleted, and what an expired one had, once its artifacts are gone."""
        with self._database.writing() as connection:
            connection.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.deleted))
            expired = exists().where(jobs.c.id == job_id, jobs.c.status == JobStatus.EXPIRED)
            connection.execute(delete(artifacts).where(artifacts.c.job_id == job_id, expired))
            connection.execute(delete(parts).where(parts.c.job_id == job_id, expired))

    def _expire(self) -> list[str]:
        before = self._clock() - self._retention_seconds
        old = and_(jobs.c.status.in_(_ENDED), jobs.c.finished_at < before, ~jobs.c.deleted)
        with self._database.reading() as connection:  # most looks find nothing: do not take the write lock
            if connection.execute(select(jobs.c.id).where(old).limit(1)).one_or_none() is None:
                return []
        some = select(jobs.c.id).where(old).limit(100).scalar_subquery()
        with self._database.writing() as connection:
            changed = update(jobs).where(jobs.c.id.in_(some), old).values(status=JobStatus.EXPIRED)
            return list(connection.execute(changed.returning(jobs.c.id)).scalars())

    def unknown(self, job_ids: Collection[str]) -> list[str]:
        """Those of these ids that are no job's."""
        known: set[str] = set()
        for some in _some(job_ids):
            with self._database.reading() as connection:
                known.update(connection.execute(select(jobs.c.id).where(jobs.c.id.in_(some))).scalars())
        return [one for one in job_ids if one not in known]

    def without_archive(self, name: str) -> tuple[JobRecord, ...]:
        """Jobs that ended early a short while ago, with accepted parts and without the archive of this name."""
        since = self._clock() - _ARCHIVE_WITHIN_SECONDS
        early = and_(jobs.c.status.in_((JobStatus.CANCELLED, JobStatus.FAILED)), jobs.c.finished_at > since)
        has_parts = exists().where(parts.c.job_id == jobs.c.id)
        has_archive = exists().where(artifacts.c.job_id == jobs.c.id, artifacts.c.name == name)
        with self._database.reading() as connection:
            query = select(jobs).where(early, ~jobs.c.deleted, has_parts, ~has_archive).limit(10)
            return records_of(connection, connection.execute(query).all())

    def ended(self, *, after: Ended, before: float, limit: int) -> list[Ended]:
        """The first jobs that ended after this one and before a time, in the order of their ends."""
        order = (jobs.c.finished_at, jobs.c.number)
        later = and_(jobs.c.status.in_(_ENDED), ~jobs.c.deleted, tuple_(*order) > (after.at, after.number))
        query = select(jobs.c.finished_at, jobs.c.number, jobs.c.id).where(later, jobs.c.finished_at < before)
        with self._database.reading() as connection:
            return [Ended(*row) for row in connection.execute(query.order_by(*order).limit(limit))]

    def keys_in(self, job_id: str) -> frozenset[str]:
        """See `sharing`."""
        with self._database.reading() as connection:
            return keys_in(connection, job_id)

    def add_archive(self, job_id: str, archive: StoredArtifact) -> None:
        """Note the archive of a job that has ended early."""
        with self._database.writing() as connection:
            ended = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.status.in_(_ENDED))
            if connection.execute(ended).one_or_none() is not None:
                insert_artifacts(connection, job_id, [archive])

    def drop_old(self) -> None:
        """Remove idempotency keys that no longer count, and jobs that expired long ago."""
        now = self._clock()
        long_ago = now - _KNOWN_FOR * self._retention_seconds
        old = and_(jobs.c.status == JobStatus.EXPIRED, jobs.c.finished_at < long_ago)
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.created_at < now - IDEMPOTENCY_SECONDS))
            connection.execute(delete(jobs).where(old))


def _ending(row: JobRow, now: float) -> dict[str, object]:
    values: dict[str, object] = {"finished_at": now, "lease": None, "lease_until": None, "stage": None}
    if row.cancel_requested or row.deleted:
        return values | {"status": JobStatus.CANCELLED, "stop_reason": "cancelled"}
    problem = Problem(
        title="Attempts exhausted",
        status=500,
        detail=f"the job was taken up {row.attempt} times, and no runner brought it to an end",
        code="attempts_exhausted",
        retryable=True,
        request_id=row.request_id,
    )
    return values | {"status": JobStatus.FAILED, "error": problem.model_dump(mode="json")}


def _some(ids: Collection[str]) -> Iterator[list[str]]:
    """These ids, as many at a time as a query takes."""
    every = list(ids)
    for start in range(0, len(every), _IDS_A_QUERY):
        yield every[start : start + _IDS_A_QUERY]
