"""Running jobs, without Ray: real stores, the nano preset in this process, and a gate to break things at."""

import io
import logging
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apg_core.geometry.extent import Extent
from apg_core.pipeline.local import LocalStages
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.manifest import Manifest
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import DecodeOptions
from apg_core.protocol.stage import Stage
from deployments.errors import JobNotFoundError
from deployments.running import claimed
from deployments.running.progress import Progress
from deployments.stores.jobs import database, tallies
from deployments.stores.jobs.tallies import Total
from tests.support.job_stages import Gate
from tests.support.workshop import Workshop, held, nano, run, soon


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Hashes of the meshes of each mode's job when nothing breaks."""
    shop = Workshop(tmp_path_factory.mktemp("undisturbed"))
    ids = {mode: shop.submit(mode) for mode in ("image", "image_mesh", "image_mask")}

    async def main() -> None:
        async with shop.worker():
            for job_id in ids.values():
                assert (await shop.ended(job_id)).status == "succeeded"

    run(main())
    return {mode: shop.meshes(job_id) for mode, job_id in ids.items()}


def test_a_job_is_run_to_its_end_and_told_as_it_goes(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit(save_whole=True)
        job = await shop.run(job_id)
        assert (job.status, job.stop_reason, job.parts_done, job.progress) == ("succeeded", "max_parts", 2, 1.0)
        assert shop.events(job_id) == ["part", "part", "succeeded"]
        shown = sorted(one.name for one in job.artifacts if not one.is_hidden)
        meshes = ["mesh_000.glb", "mesh_001.glb", "mesh_combined.glb"]
        assert shown == ["all.zip", "latents.safetensors", "manifest.json", *meshes, "whole.glb"]
        manifest = Manifest.model_validate_json(shop.content(job_id, "manifest.json"))
        assert [part.index for part in manifest.parts] == [0, 1]
        with zipfile.ZipFile(io.BytesIO(shop.content(job_id, "all.zip"))) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == {
                name: shop.content(job_id, name) for name in ("manifest.json", *meshes, "whole.glb")
            }
        totals = tallies.read(shop.stores.database)
        assert totals.totals[Total.FINISHED] == {"succeeded": 1.0}
        assert totals.totals[Total.ATTEMPTS] == {"accepted": 2.0, "rejected": 0.0}
        assert totals.histograms["stage_seconds"].keys() == manifest.timings.keys()

    run(main())


def test_a_job_has_ended_before_its_preview_is_drawn_which_follows(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit(preview=True)
        gate = Gate(Stage.PACKAGE, turn=2)
        async with shop.worker(gate):
            job = await shop.ended(job_id)
            await held(gate)
            assert (job.status, job.artifact("preview.png")) == ("succeeded", None)
            assert Manifest.model_validate_json(shop.content(job_id, "manifest.json")).options["preview"] is True
            gate.opened.set()
            await soon(lambda: shop.job(job_id).artifact("preview.png") is not None, "the preview")
        assert shop.content(job_id, "preview.png").startswith(b"\x89PNG")
        assert shop.job(job_id).status == "succeeded"
        assert shop.events(job_id) == ["part", "part", "succeeded"]

    run(main())


def test_a_job_that_is_deleted_while_its_preview_is_drawn_stays_deleted(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit(preview=True)
        gate = Gate(Stage.PACKAGE, turn=2)
        async with shop.worker(gate):
            await shop.ended(job_id)
            await held(gate)
            shop.stores.jobs.hide(job_id, "ann")
            shop.stores.jobs.remove(job_id)
            gate.opened.set()
            assert (await shop.ended(shop.submit())).status == "succeeded"
        with pytest.raises(JobNotFoundError):
            shop.job(job_id)

    run(main())


def test_a_job_leaves_every_format_that_was_asked_for(shop: Workshop) -> None:
    job_id = shop.submit("image", formats="obj,stl,ply,3mf", max_parts=1)

    async def main() -> None:
        job = await shop.run(job_id)
        kinds = {one.name: one.media_type for one in job.artifacts}
        assert job.status == "succeeded"
        for stem in ("mesh_000", "mesh_combined"):
            assert kinds[f"{stem}.glb"] == "model/gltf-binary"
            assert kinds[f"{stem}.obj"] == "model/obj"
            assert kinds[f"{stem}.mtl"] == "model/mtl"
            assert kinds[f"{stem}.stl"] == "model/stl"
            assert kinds[f"{stem}.3mf"] == "model/3mf"
            assert kinds[f"{stem}.ply"] == "application/octet-stream"
        assert f'"extras":{{"job":"{job_id}"}}'.encode() in shop.content(job_id, "mesh_combined.glb")

    run(main())


@pytest.mark.parametrize("stage", Stage)
def test_a_job_cancelled_in_any_stage_keeps_its_parts_and_frees_its_place(shop: Workshop, stage: Stage) -> None:
    async def main() -> None:
        gate = Gate(stage)
        mode = "image" if stage is Stage.WHOLE else "image_mesh"
        job_id = shop.submit(mode, best_of=2, fit_to_mesh=True, iou_threshold=-1)
        async with shop.worker(gate, concurrent_jobs=1):
            await held(gate)
            shop.stores.jobs.cancel(job_id, "ann")
            job = await shop.ended(job_id)
            assert (job.status, job.stop_reason) == ("cancelled", "cancelled")
            parts = [name for name in shop.meshes(job_id) if name.startswith("mesh_")]
            assert len(parts) == job.parts_done
            if parts:
                with zipfile.ZipFile(io.BytesIO(shop.content(job_id, "all.zip"))) as archive:
                    assert archive.namelist() == parts
            assert (await shop.ended(shop.submit())).status == "succeeded"

    run(main())


CHECKPOINTS = [
    ("image", Stage.BACKGROUND, 1),
    ("image", Stage.WHOLE, 1),
    ("image", Stage.PART, 1),
    ("image", Stage.EXPORT, 1),
    ("image", Stage.PART, 2),
    ("image", Stage.PACKAGE, 1),
    ("image_mesh", Stage.CODEC, 1),
    ("image_mesh", Stage.MESH, 2),
    ("image_mask", Stage.PART, 3),
]


@pytest.mark.parametrize(("mode", "stage", "turn"), CHECKPOINTS)
def test_a_job_given_back_at_any_checkpoint_goes_on_to_the_same_meshes(
    shop: Workshop, undisturbed: dict[str, dict[str, str]], mode: str, stage: Stage, turn: int
) -> None:
    async def main() -> None:
        gate = Gate(stage, turn)
        job_id = shop.submit(mode)
        async with shop.worker(gate):
            await held(gate)
        given_back = shop.job(job_id)
        assert (given_back.status, given_back.runs) == ("queued", 0)
        job = await shop.run(job_id)
        assert (job.status, job.runs, shop.meshes(job_id)) == ("succeeded", 1, undisturbed[mode])
        assert shop.events(job_id) == ["part"] * job.parts_done + ["succeeded"]

    run(main())


class FindsNothing(LocalStages):
    """The local stages, but that there is nothing in any latent."""

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        return TriangleMesh.empty()


def test_a_region_that_was_passed_over_is_not_tried_again(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit("image_mask", duplicate_retries=0)
        gate = Gate(Stage.PART, 2)
        async with shop.worker(gate, stages=FindsNothing(**vars(nano().stages))):
            await held(gate)
        again = Gate()
        async with shop.worker(again):
            job = await shop.ended(job_id)
        manifest = Manifest.model_validate_json(shop.content(job_id, "manifest.json"))
        assert (job.status, job.parts_done, again.turns[Stage.PART]) == ("succeeded", 2, 2)
        [passed_over] = manifest.failed_regions
        assert (passed_over.attempts, passed_over.reason) == (1, "empty")
        assert {passed_over.label, *(part.label for part in manifest.parts)} == {1, 2, 3}

    run(main())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be reached is noticed soon."""
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """The store cannot be written meanwhile."""
    lock = sqlite3.connect(store, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        lock.execute("ROLLBACK")
        lock.close()


def test_a_job_waits_for_a_store_that_cannot_be_reached_for_a_while(
    impatient: None, tmp_path: Path, undisturbed: dict[str, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    shop = Workshop(tmp_path)

    async def main() -> None:
        gate = Gate(Stage.PART, 2)
        job_id = shop.submit()
        async with shop.worker(gate):
            await held(gate)
            with locked(tmp_path / "jobs.db"):
                gate.opened.set()
                await soon(lambda: "job store unreachable" in caplog.text, "a write that is refused")
            job = await shop.ended(job_id)
        assert (job.status, job.runs, shop.meshes(job_id)) == ("succeeded", 1, undisturbed["image"])

    run(main())


def test_a_job_whose_store_stays_away_is_left_to_another_run(
    impatient: None,
    tmp_path: Path,
    undisturbed: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(claimed, "TRIES", 1)
    shop = Workshop(tmp_path, lease_seconds=2.0)

    async def main() -> None:
        gate = Gate(Stage.PART, 2)
        job_id = shop.submit()
        async with shop.worker(gate):
            await held(gate)
            with locked(tmp_path / "jobs.db"):
                gate.opened.set()
                await soon(lambda: "left for another run" in caplog.text, "the end of the run")
            job = await shop.ended(job_id)
        assert (job.status, shop.meshes(job_id)) == ("succeeded", undisturbed["image"])
        assert job.runs > 1
        assert shop.events(job_id) == ["part", "part", "succeeded"]

    run(main())


def test_a_job_whose_files_cannot_be_written_fails_with_that_error(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit()
        folder = Path(shop.stores.settings.artifacts) / job_id
        (folder / "1").touch()  # a file where the run's folder should be
        job = await shop.run(job_id)
        assert job.error is not None
        assert (job.status, job.error.code, job.error.retryable) == ("failed", "output", True)
        assert str(folder) not in job.error.detail

    run(main())


def test_a_job_whose_inputs_are_gone_fails_with_that_error(shop: Workshop) -> None:
    async def main() -> None:
        job_id = shop.submit()
        shop.stores.artifacts.remove_job(job_id)
        job = await shop.run(job_id)
        assert job.error is not None
        assert (job.status, job.error.code) == ("failed", "expired")

    run(main())


def test_a_runner_that_has_lost_its_lease_changes_nothing_more(
    shop: Workshop, undisturbed: dict[str, dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        gate = Gate(Stage.PART, 2)
        job_id = shop.submit()
        async with shop.worker(gate):
            await held(gate)
            shop.execute("UPDATE jobs SET lease = 'another', lease_until = lease_until + 1000")
            before = shop.job(job_id)
            await soon(lambda: "lease lost" in caplog.text, "the loss is noticed")
            gate.opened.set()
            assert shop.job(job_id) == before
            shop.execute("UPDATE jobs SET lease_until = 0")  # the other has died
            job = await shop.ended(job_id)
        assert (job.status, job.runs, shop.meshes(job_id)) == ("succeeded", 2, undisturbed["image"])
        assert shop.events(job_id) == ["part", "part", "succeeded"]

    run(main())


def test_what_runs_jobs_knows_no_ray() -> None:
    rooms = "deployments.desk, deployments.running.worker, deployments.stores.opening, deployments.http.api"
    check = f"import sys, {rooms}; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("parts_total", [None, 3])
def test_the_progress_of_a_job_never_falls(parts_total: int | None) -> None:
    told = [Progress(parts_total, 0, stage, at).share for stage in (Stage.BACKGROUND, Stage.ENCODE) for at in (0, 1)]
    told += [Progress(parts_total, 0, Stage.WHOLE, at / 4).share for at in range(5)]
    for done in range(3):
        told += [Progress(parts_total, done, Stage.PART, at / 4).share for at in range(4)]
        told += [Progress(parts_total, done + 1, Stage.MESH).share]
    told += [Progress(parts_total, 3, stage).share for stage in (Stage.FIT, Stage.PACKAGE)]
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 0.95)


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="deployments")
