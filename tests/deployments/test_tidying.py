"""What a killed ingress or runner leaves behind is swept up; what is in use is not."""

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.running import tidying
from deployments.running.archive import ARCHIVE
from deployments.running.tidying import STRAY_AGE_SECONDS, Tidying
from deployments.settings import StoreSettings
from deployments.stores.jobs.leases import JobEnd, JobLeases
from deployments.stores.jobs.records import NewJob, PartRecord, QueueLimits
from deployments.stores.opening import Stores, open_stores
from deployments.uploads import remove_strays, upload_folder

ROOMY = QueueLimits(queued=10, per_owner=10)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_stores(StoreSettings(folder=tmp_path))
    yield opened
    opened.database.close()


def submit(stores: Stores, job_id: str) -> None:
    prompt = stores.artifacts.put(job_id, 0, ".prompt.npz", b"inputs")
    new = NewJob(
        id=job_id, owner="ann", mode="image", seed=0, options={}, inputs={}, artifacts=(prompt,), parts_total=None
    )
    stores.jobs.submit(new, limits=ROOMY, idempotency=None)


def make_old(stores: Stores, job_id: str) -> None:
    folder = Path(stores.settings.artifacts) / job_id
    for file in folder.rglob("*"):
        os.utime(file, (time.time() - STRAY_AGE_SECONDS - 60,) * 2)


def test_files_without_a_job_go_once_they_are_old_and_those_of_jobs_stay(stores: Stores) -> None:
    kept, stray, fresh = "a" * 32, "b" * 32, "c" * 32
    submit(stores, kept)
    for job_id in (stray, fresh):
        stores.artifacts.put(job_id, 0, ".prompt.npz", b"inputs")
    for job_id in (kept, stray):
        make_old(stores, job_id)
    Tidying(stores).tidy()
    assert sorted(stores.artifacts.jobs()) == [kept, fresh]


def give_parts(stores: Stores, job_id: str) -> None:
    """A runner accepts two parts, and gives the job back."""
    claim = stores.leases.claim("runner")
    assert claim is not None
    assert claim.job.id == job_id
    for index in range(2):
        mesh = stores.artifacts.put(job_id, 1, f"mesh_{index:03d}.glb", b"mesh %d" % index)
        hidden = stores.artifacts.put(job_id, 1, f".latent_{index:03d}.npz", b"latent")
        part = PartRecord(index=index, facts={})
        stores.leases.accept_part(claim.lease, part, mesh=mesh, hidden=[hidden], progress=0.1)
    stores.leases.release(claim.lease)


def test_a_job_cancelled_while_queued_to_go_on_gets_the_archive_of_its_parts(stores: Stores) -> None:
    job_id = "d" * 32
    submit(stores, job_id)
    give_parts(stores, job_id)
    assert stores.jobs.cancel(job_id, "ann").artifact(ARCHIVE) is None
    sweeping = Tidying(stores)
    sweeping.tidy()
    archive = stores.jobs.get(job_id, "ann").artifact(ARCHIVE)
    assert archive is not None
    with zipfile.ZipFile(io.BytesIO(stores.artifacts.get(archive))) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {
            "mesh_000.glb": b"mesh 0",
            "mesh_001.glb": b"mesh 1",
        }
    sweeping.tidy()  # and once only
    assert stores.jobs.get(job_id, "ann").artifact(ARCHIVE) == archive


def test_a_job_cancelled_before_its_first_part_gets_none(stores: Stores) -> None:
    submit(stores, "e" * 32)
    stores.jobs.cancel("e" * 32, "ann")
    Tidying(stores).tidy()
    assert stores.jobs.get("e" * 32, "ann").artifact(ARCHIVE) is None


def finish(stores: Stores, job_id: str, *, ago: float) -> None:
    """A runner makes two parts and their final files, of which one is the draft's byte for byte, and ends the job."""
    submit(stores, job_id)
    give_parts(stores, job_id)
    leases = JobLeases(stores.database, lease_seconds=30, max_runs=5, clock=lambda: time.time() - ago)
    claim = leases.claim("runner")
    assert claim is not None
    final = [
        stores.artifacts.put(job_id, run, f"mesh_{index:03d}.glb", content)
        for index, (run, content) in enumerate([(1, b"mesh 0"), (2, b"mesh 1 in its final colour")])
    ]
    leases.finish(claim.lease, JobEnd("succeeded", artifacts=final))


def files_of(stores: Stores, job_id: str) -> set[str]:
    folder = Path(stores.settings.artifacts) / job_id
    return {file.name.partition(".")[2] + f" {file.parent.name}" for file in folder.rglob("*") if file.is_file()}


def test_drafts_go_an_hour_after_the_final_files_came_and_nothing_else_does(stores: Stores) -> None:
    old, recent, running = "1" * 32, "2" * 32, "3" * 32
    for job_id, ago in ((old, STRAY_AGE_SECONDS + 60), (recent, 0.0)):
        finish(stores, job_id, ago=ago)
    submit(stores, running)
    give_parts(stores, running)
    for job_id in (old, recent, running):
        make_old(stores, job_id)
    late = stores.artifacts.put(old, 2, "preview.png", b"drawn when the job had ended")
    before = {job_id: files_of(stores, job_id) for job_id in (old, recent, running)}
    Tidying(stores).tidy()
    assert before[old] - files_of(stores, old) == {"mesh_001.glb 1"}
    assert files_of(stores, recent) == before[recent]
    assert files_of(stores, running) == before[running]
    for artifact in (*stores.jobs.get(old, "ann").artifacts, late):
        assert stores.artifacts.get(artifact)


def test_no_ended_job_is_passed_over_however_many_ended_at_one_time(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "SWEPT_AT_ONCE", 2)
    monkeypatch.setattr(time, "time", lambda: 10_000.0)
    jobs = [str(digit) * 32 for digit in range(5)]
    for job_id in jobs:
        finish(stores, job_id, ago=0.0)
        make_old(stores, job_id)
    monkeypatch.setattr(time, "time", lambda: 10_000.0 + 2 * STRAY_AGE_SECONDS)
    sweeping = Tidying(stores)
    for _ in range(3):
        sweeping.tidy()
    assert all("mesh_001.glb 1" not in files_of(stores, job_id) for job_id in jobs)


def test_upload_folders_of_processes_that_are_gone_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import os; from deployments.uploads import upload_folder\nwith upload_folder(file_bytes=9): os._exit(9)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 9
    [left] = tmp_path.iterdir()
    (tmp_path / "apg-upload-of-mine").mkdir()
    with upload_folder(file_bytes=9):
        remove_strays()
        names = {folder.name for folder in tmp_path.iterdir()}
        assert left.name not in names
        assert len(names) == 2
