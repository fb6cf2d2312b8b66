"""Workers that run jobs, without Ray: leases, turns, what breaks and what is tidied up."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import text

from apg_core.protocol.stage import Stage
from deployments.running import worker
from tests.support.job_stages import Gate
from tests.support.workshop import Workshop, held, run, soon


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_lease_that_is_lost_in_the_middle_of_a_write_ends_the_run_only(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "LOOK_SECONDS", 1000.0)  # nobody tells it but the store that refuses the write

    async def main() -> None:
        gate = Gate(Stage.EXPORT)
        job_id = shop.submit()
        async with shop.worker(gate):
            await held(gate)
            shop.execute("UPDATE jobs SET lease = 'another', lease_until = lease_until + 1000")
            gate.opened.set()
            await soon(lambda: "lease lost" in caplog.text, "the refusal")
            job = shop.job(job_id)
        assert (job.status, job.parts_done, shop.meshes(job_id)) == ("running", 0, {})

    run(main())


def test_a_worker_runs_as_many_jobs_at_a_time_as_it_may_in_their_order(shop: Workshop) -> None:
    async def main() -> None:
        gate = Gate(Stage.BACKGROUND)
        ids = [shop.submit(seed=seed) for seed in range(3)]
        async with shop.worker(gate, concurrent_jobs=1):
            await held(gate)
            assert [shop.job(one).status for one in ids] == ["running", "queued", "queued"]
            gate.opened.set()
            for one in ids:
                assert (await shop.ended(one)).status == "succeeded"
        started = [shop.job(one).started_at for one in ids]
        assert started == sorted(started)  # type: ignore[type-var]

    run(main())


def test_a_worker_renews_its_leases_while_a_stage_takes_long(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RENEWALS_PER_LEASE", 100)

    async def main() -> None:
        gate = Gate(Stage.PART)
        shop.submit()
        async with shop.worker(gate):
            await held(gate)
            first = _lease_until(shop)
            await soon(lambda: _lease_until(shop) > first + 0.5, "a renewal")

    run(main())


def _lease_until(shop: Workshop) -> float:
    with shop.stores.database.reading() as connection:
        return float(connection.execute(text("SELECT lease_until FROM jobs")).scalar_one())


def test_a_job_whose_runner_breaks_is_tried_again_and_fails_after_its_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "TIDY_SECONDS", 0.05)
    shop = Workshop(tmp_path, lease_seconds=2.0, max_attempts=2)

    class BrokenGate(Gate):
        async def __call__(self, stage: Stage) -> None:
            raise ZeroDivisionError("a mistake of ours")

    async def main() -> None:
        job_id = shop.submit()
        async with shop.worker(BrokenGate()) as running:
            job = await shop.ended(job_id)
            running.check()
        assert job.error is not None
        assert (job.status, job.runs, job.error.code) == ("failed", 2, "attempts_exhausted")
        assert "runner failed" in caplog.text

    run(main())


def test_a_worker_removes_what_is_left_of_deleted_jobs(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TIDY_SECONDS", 0.05)

    async def main() -> None:
        gate = Gate(Stage.PART)
        job_id = shop.submit()
        folder = Path(shop.stores.settings.artifacts) / job_id
        async with shop.worker(gate):
            await held(gate)
            assert shop.stores.jobs.hide(job_id, "ann") is False  # its runner has it
            await soon(lambda: not folder.exists(), "the removal")

    run(main())


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="deployments")
