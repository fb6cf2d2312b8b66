"""The job store keeps its promises on SQLite and on PostgreSQL."""

import dataclasses
import threading
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from apg_core.protocol.job import JobStatus, Problem
from apg_core.protocol.stage import Stage
from deployments.errors import (
    IdempotencyError,
    JobNotFoundError,
    LeaseLostError,
    QueueFullError,
    SchemaError,
    StoreError,
    TooManyJobsError,
)
from deployments.stores.jobs import schema, tables, tallies
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.leases import JobEnd, JobLeases, LeaseState
from deployments.stores.jobs.records import (
    IdempotencyKey,
    JobRecord,
    NewJob,
    PartRecord,
    QueueLimits,
    StoredArtifact,
)
from deployments.stores.jobs.retention import Retention
from deployments.stores.jobs.store import JobStore, Submitted
from deployments.stores.jobs.tallies import JOB_SECONDS, STAGE_SECONDS, Histogram, Tally, Total
from tests.support.clocks import Clock

ROOMY = QueueLimits(queued=1000, per_owner=1000)
LEASE_SECONDS = 10.0


class Service:
    """Both sides of one job store, and its clock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.store = JobStore(database, clock=clock)
        self.leases = JobLeases(database, lease_seconds=LEASE_SECONDS, max_runs=3, clock=clock)
        self.retention = Retention(database, retention_seconds=3600, max_runs=3, clock=clock)

    def submit(
        self,
        owner: str = "ann",
        *,
        key: IdempotencyKey | None = None,
        limits: QueueLimits = ROOMY,
    ) -> JobRecord:
        return self.submission(owner, key=key, limits=limits).job

    def submission(
        self, owner: str = "ann", *, key: IdempotencyKey | None = None, limits: QueueLimits = ROOMY
    ) -> Submitted:
        new = NewJob(id=uuid.uuid4().hex, owner=owner, mode="image", seed=2**62, options={"seed": 1}, inputs={})
        return self.store.submit(new, limits=limits, idempotency=key)

    def accept(self, claim_lease: object, index: int) -> None:
        self.leases.accept_part(  # type: ignore[arg-type]
            claim_lease,
            PartRecord(index=index, facts={"attempt": 0}),
            mesh=stored(f"mesh_{index:03}.glb"),
            hidden=[stored(f".part_{index:03}.npz")],
            progress=0.1 * (index + 1),
        )


def stored(name: str) -> StoredArtifact:
    return StoredArtifact(name=name, key=f"k/{name}", media_type="model/gltf-binary", bytes=3, sha256="0" * 64)


@pytest.fixture
def service(database: Database, clock: Clock) -> Service:
    return Service(database, clock)


def test_the_migrations_make_exactly_the_tables_of_the_program(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_preparing_a_prepared_database_changes_nothing(service: Service) -> None:
    job = service.submit()
    schema.prepare(service.database)
    assert service.store.get(job.id, "ann").id == job.id


def test_processes_that_prepare_one_empty_database_together_all_succeed(database_url: str) -> None:
    failures: list[Exception] = []

    def start() -> None:
        database = Database(database_url)
        try:
            schema.prepare(database)
        except (StoreError, SchemaError, IntegrityError) as error:
            failures.append(error)
        finally:
            database.close()

    _together(4, start)
    assert failures == []


def test_a_schema_of_another_version_is_refused(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="'9999'"):
        schema.prepare(database)


def test_a_job_comes_back_as_it_was_submitted(service: Service) -> None:
    job = service.submit()
    assert service.store.get(job.id, "ann") == job
    assert (job.status, job.seed, job.options, job.queue_position) == ("queued", 2**62, {"seed": 1}, 0)


def test_a_job_is_not_there_for_another_owner(service: Service) -> None:
    job = service.submit("ann")
    for look in (
        lambda: service.store.get(job.id, "bob"),
        lambda: service.store.cancel(job.id, "bob"),
        lambda: service.store.hide(job.id, "bob"),
        lambda: service.store.events_after(job.id, "bob", 0),
    ):
        with pytest.raises(JobNotFoundError):
            look()
    assert service.store.page("bob", limit=10).records == ()


def test_pages_give_every_job_once_and_newest_first(service: Service) -> None:
    ids = [service.submit().id for _ in range(7)]
    seen, before = [], None
    while True:
        page = service.store.page("ann", limit=3, before=before)
        seen += [job.id for job in page.records]
        if (before := page.next_number) is None:
            break
    assert seen == ids[::-1]


def test_pages_hold_only_the_status_that_was_asked_for(service: Service) -> None:
    first, second = service.submit(), service.submit()
    service.store.cancel(first.id, "ann")
    [found] = service.store.page("ann", limit=9, status=JobStatus.QUEUED).records
    assert found.id == second.id


def test_the_same_key_and_body_give_the_same_job(service: Service) -> None:
    key = IdempotencyKey(key="k", body_sha256="a" * 64)
    first, again = service.submission(key=key), service.submission(key=key)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.job.id == first.job.id
    assert service.store.replay("ann", key) == first.job


def test_the_same_key_with_another_body_is_refused(service: Service) -> None:
    service.submit(key=IdempotencyKey(key="k", body_sha256="a" * 64))
    with pytest.raises(IdempotencyError):
        service.submit(key=IdempotencyKey(key="k", body_sha256="b" * 64))


def test_idempotency_keys_of_two_owners_do_not_meet(service: Service) -> None:
    key = IdempotencyKey(key="k", body_sha256="a" * 64)
    assert service.submit("ann", key=key).id != service.submit("bob", key=key).id


def test_an_idempotency_key_counts_for_a_day(service: Service) -> None:
    key = IdempotencyKey(key="k", body_sha256="a" * 64)
    first = service.submit(key=key)
    service.clock.go(24 * 3600 + 1)
    service.retention.drop_old()
    assert service.submit(key=key).id != first.id


def test_submissions_that_race_with_one_key_make_one_job(service: Service) -> None:
    key = IdempotencyKey(key="k", body_sha256="a" * 64)
    found: list[Submitted] = []
    _together(8, lambda: found.append(service.submission(key=key)))
    assert len({one.job.id for one in found}) == 1
    assert sum(not one.replayed for one in found) == 1


def test_the_queue_holds_exactly_its_limit_however_many_race(service: Service) -> None:
    limits = QueueLimits(queued=3, per_owner=100)
    refused: list[QueueFullError] = []

    def submit() -> None:
        try:
            service.submit(limits=limits)
        except QueueFullError as error:
            refused.append(error)

    _together(8, submit)
    assert (len(refused), len(service.store.page("ann", limit=50).records)) == (5, 3)


def test_an_owner_has_at_most_its_share_of_unfinished_jobs(service: Service) -> None:
    limits = QueueLimits(queued=100, per_owner=1)
    job = service.submit("ann", limits=limits)
    service.leases.claim("r")
    with pytest.raises(TooManyJobsError):
        service.submit("ann", limits=limits)
    service.submit("bob", limits=limits)
    service.store.cancel(job.id, "ann")


def test_jobs_that_wait_and_run_are_unfinished_and_ended_ones_are_not(service: Service) -> None:
    service.submit()
    service.submit("bob")
    claim = service.leases.claim("me")
    assert claim is not None
    assert service.leases.unfinished() == 2
    service.leases.finish(claim.lease, JobEnd("succeeded"))
    assert service.leases.unfinished() == 1


def test_jobs_are_claimed_in_the_order_of_arrival_and_once_each(service: Service) -> None:
    ids = [service.submit().id for _ in range(12)]
    claimed: list[str] = []

    def run() -> None:
        while (claim := service.leases.claim("r")) is not None:
            claimed.append(claim.job.id)

    _together(4, run)
    assert sorted(claimed) == sorted(ids)
    assert service.store.get(ids[0], "ann").status == "running"


def test_a_queued_job_knows_how_many_are_ahead(service: Service) -> None:
    jobs = [service.submit() for _ in range(3)]
    service.leases.claim("r")
    assert [service.store.get(job.id, "ann").queue_position for job in jobs] == [None, 0, 1]


def test_a_job_whose_runner_died_goes_on_after_its_last_accepted_part(service: Service) -> None:
    job = service.submit()
    first = service.leases.claim("one")
    assert first is not None
    service.accept(first.lease, 0)
    service.leases.keep(first.lease, artifacts=[stored(".whole.npz")], checkpoint={"skipped": [1]})
    assert service.leases.claim("two") is None  # the lease still holds
    service.clock.go(LEASE_SECONDS + 1)
    second = service.leases.claim("two")
    assert second is not None
    assert [part.index for part in second.parts] == [0]
    assert second.checkpoint == {"skipped": [1]}
    assert {one.name for one in second.job.artifacts} == {"mesh_000.glb", ".part_000.npz", ".whole.npz"}
    assert second.lease.run == 2
    for late in (
        lambda: service.accept(first.lease, 1),
        lambda: service.leases.finish(first.lease, JobEnd("succeeded")),
        lambda: service.leases.report(first.lease, stage=Stage.PART, progress=0.5),
        lambda: service.leases.keep(first.lease, artifacts=[], checkpoint={}),
        lambda: service.leases.release(first.lease),
    ):
        with pytest.raises(LeaseLostError):
            late()
    service.accept(second.lease, 1)
    service.leases.finish(second.lease, JobEnd("succeeded", stop_reason="end_of_object"))
    done = service.store.get(job.id, "ann")
    assert (done.status, done.parts_done, done.runs, done.progress) == ("succeeded", 2, 2, 1.0)


def test_a_part_is_accepted_once_and_nothing_of_the_second_try_remains(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.accept(claim.lease, 0)
    with pytest.raises(LeaseLostError):
        service.accept(claim.lease, 0)
    assert service.store.get(job.id, "ann").parts_done == 1
    assert [one.type for one in service.store.events_after(job.id, "ann", 0).events] == ["progress", "part"]


def test_renewing_keeps_the_lease_and_brings_the_wish_to_cancel(service: Service) -> None:
    job, other = service.submit(), service.submit()
    claims = [service.leases.claim("r"), service.leases.claim("r")]
    leases = [claim.lease for claim in claims if claim is not None]
    service.clock.go(LEASE_SECONDS - 1)
    assert set(service.leases.renew(leases).values()) == {LeaseState.HELD}
    service.clock.go(LEASE_SECONDS - 1)
    assert service.leases.claim("thief") is None
    service.store.cancel(job.id, "ann")
    assert service.leases.look(leases) == {job.id: LeaseState.CANCEL, other.id: LeaseState.HELD}
    service.leases.finish(leases[1], JobEnd("succeeded"))
    assert service.leases.renew(leases) == {job.id: LeaseState.CANCEL, other.id: LeaseState.LOST}


def test_a_queued_job_is_cancelled_at_once_and_for_good(service: Service) -> None:
    job = service.submit()
    for _ in range(2):
        assert service.store.cancel(job.id, "ann").status == "cancelled"
    assert service.leases.claim("r") is None
    assert [one.type for one in service.store.events_after(job.id, "ann", 0).events] == ["cancelled"]


def test_a_job_that_ended_is_not_cancelled(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.leases.finish(claim.lease, JobEnd("failed", error=Problem(title="t", status=500, detail="d", code="c")))
    after = service.store.cancel(job.id, "ann")
    assert after.status == "failed"
    assert after.error is not None
    assert after.error.code == "c"


def test_a_cancelled_job_whose_runner_died_ends_cancelled_and_is_not_taken_up(service: Service) -> None:
    job = service.submit()
    service.leases.claim("r")
    service.store.cancel(job.id, "ann")
    service.clock.go(LEASE_SECONDS + 1)
    assert service.leases.claim("r") is None
    assert service.retention.settle() == 1
    assert service.store.get(job.id, "ann").status == "cancelled"


def test_a_job_that_no_runner_finishes_fails_after_its_attempts_and_says_so(service: Service) -> None:
    job = service.submit()
    for _ in range(3):
        assert service.leases.claim("r") is not None
        assert service.retention.settle() == 0
        service.clock.go(LEASE_SECONDS + 1)
    assert service.leases.claim("r") is None
    assert service.retention.settle() == 1
    failed = service.store.get(job.id, "ann")
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "attempts_exhausted"
    assert service.store.events_after(job.id, "ann", 0).events[-1].type == "failed"


def test_a_released_job_is_first_in_the_queue_and_has_lost_no_attempt(service: Service) -> None:
    job, _ = service.submit(), service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.leases.release(claim.lease)
    again = service.leases.claim("r")
    assert again is not None
    assert (again.job.id, again.lease.run) == (job.id, 1)


def test_a_released_job_that_is_to_be_cancelled_ends_so(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.store.cancel(job.id, "ann")
    service.leases.release(claim.lease)
    assert service.store.get(job.id, "ann").status == "cancelled"
    assert service.store.events_after(job.id, "ann", 0).events[-1].type == "cancelled"


def test_progress_never_falls(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    for progress in (0.2, 0.6, 0.3):
        service.leases.report(claim.lease, stage=Stage.PART, progress=progress)
    assert service.store.get(job.id, "ann").progress == 0.6
    progress_seen = [one.progress for one in service.store.events_after(job.id, "ann", 0).events]
    assert progress_seen == sorted(progress_seen)


def test_events_are_numbered_without_gaps_and_can_be_read_from_anywhere(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.leases.report(claim.lease, stage=Stage.WHOLE, progress=0.1)
    service.accept(claim.lease, 0)
    service.leases.finish(claim.lease, JobEnd("succeeded", stop_reason="end_of_object"))
    page = service.store.events_after(job.id, "ann", 0)
    assert [one.id for one in page.events] == [1, 2, 3, 4]
    assert page.ended
    assert page.events[2].part is not None
    assert page.events[2].part.url == f"/v1/jobs/{job.id}/artifacts/mesh_000.glb"
    assert [one.id for one in service.store.events_after(job.id, "ann", 2).events] == [3, 4]
    assert service.store.last_events([job.id]) == {job.id: 4}
    assert page.events[-1].stop_reason == "end_of_object"


def test_a_job_expires_after_the_retention_time_and_stays_known(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.accept(claim.lease, 0)
    service.leases.finish(claim.lease, JobEnd("succeeded"))
    assert service.retention.due() == ()
    service.clock.go(3601)
    assert service.retention.due() == (job.id,)
    service.retention.forget(job.id)
    old = service.store.get(job.id, "ann")
    assert (old.status, old.artifacts, old.parts_done) == ("expired", (), 1)
    assert service.retention.due() == ()
    service.retention.drop_old()
    assert service.store.get(job.id, "ann").status == "expired"
    service.clock.go(10 * 3600)
    service.retention.drop_old()
    with pytest.raises(JobNotFoundError):
        service.store.get(job.id, "ann")


def test_a_deleted_job_is_gone_at_once_and_removed_when_its_runner_has_stopped(service: Service) -> None:
    job = service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    assert service.store.hide(job.id, "ann") is False
    with pytest.raises(JobNotFoundError):
        service.store.get(job.id, "ann")
    assert service.leases.look([claim.lease]) == {job.id: LeaseState.CANCEL}
    assert service.retention.due() == ()
    service.leases.finish(claim.lease, JobEnd("cancelled"))
    assert service.retention.due() == (job.id,)
    service.retention.forget(job.id)
    assert service.retention.due() == ()
    assert service.store.last_events([job.id]) == {}


def test_totals_count_every_end_once(service: Service) -> None:
    service.store.cancel(service.submit().id, "ann")
    service.submit()
    claim = service.leases.claim("r")
    assert claim is not None
    service.clock.go(2)
    seconds = Tally()
    seconds.observe(STAGE_SECONDS, 0.05, label="encode")
    service.leases.finish(claim.lease, JobEnd("succeeded", tally=seconds))
    service.submit()
    readings = tallies.read(service.database)
    assert readings.totals[Total.FINISHED] == {"cancelled": 1.0, "succeeded": 1.0}
    assert readings.totals[Total.SUBMITTED] == {"image": 3.0}
    assert readings.histograms["stage_seconds"] == {"encode": Histogram(STAGE_SECONDS, {0.1: 1.0}, sum=0.05)}
    assert readings.histograms["job_seconds"] == {"": Histogram(JOB_SECONDS, {3.0: 1.0}, sum=2.0)}
    assert readings.by_status == {"cancelled": 1, "succeeded": 1, "queued": 1}


def test_what_was_written_is_there_for_another_process(service: Service, database_url: str) -> None:
    job = service.submit()
    other = Database(database_url)
    assert JobStore(other).get(job.id, "ann") == dataclasses.replace(job)
    other.close()


def _together(count: int, work: object) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
