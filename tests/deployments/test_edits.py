"""Edits of jobs, without Ray: real stores, the nano preset in this process, and a gate to break things at."""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from apg_core.errors import ApgError, EditError, OptionError
from apg_core.protocol.job import Job
from apg_core.protocol.manifest import Manifest
from apg_core.protocol.stage import Stage
from apg_core.sandbox.decoder import Decoder
from deployments.desk import Desk
from deployments.errors import ExpiredError, IdempotencyError, JobNotEndedError, JobNotFoundError, TooManyJobsError
from deployments.limits import ServiceLimits
from deployments.running import worker
from deployments.stores.jobs.feed import EventFeed
from tests.support.http_server import lack_here
from tests.support.job_stages import Gate
from tests.support.workshop import Workshop, held, nano, run, soon

QUICK: dict[str, Any] = {"iou_threshold": -1, "end_threshold": 0.0}


class EditShop(Workshop):
    """A workshop with a desk that takes edits."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        jobs = self.stores.jobs
        self.desk = Desk(
            preset=nano().preset,
            limits=ServiceLimits(),
            jobs=jobs,
            artifacts=self.stores.artifacts,
            feed=EventFeed(jobs, poll_seconds=0.02),
            decoder=Decoder(processes=1, memory_bytes=2**30),
            backend_lack=lack_here,
        )

    async def edit(self, job_id: str, owner: str = "ann", key: str | None = None, **asked: JsonValue) -> Job:
        """Queue an edit."""
        return (await self.desk.edit(job_id, asked, owner=owner, key=key, request_id="test")).job

    async def made(self, mode: str = "image", **options: Any) -> str:
        """Id of a job that has succeeded."""
        job_id = self.submit(mode, **{**QUICK, "max_parts": 3, **options})
        assert (await self.run(job_id)).status == "succeeded"
        return job_id

    def manifest(self, job_id: str) -> Manifest:
        """What a job says that it has made."""
        return Manifest.model_validate_json(self.content(job_id, "manifest.json"))


@pytest.fixture
def shop(tmp_path: Path) -> EditShop:
    return EditShop(tmp_path)


def test_an_edit_is_a_job_with_a_parent_whose_kept_parts_are_there_at_once_and_stay(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        before = shop.meshes(parent)
        child = await shop.edit(parent, operation="resample", parts=[1], options={"seed": 8})
        assert (child.parent, child.status, child.parts_done, child.parts_total) == (parent, "queued", 2, 3)
        assert child.edit == {"operation": "resample", "parts": [1], "options": {"seed": 8}, "candidates": 1}
        kept = {name: before[name] for name in ("mesh_000.glb", "mesh_002.glb")}
        assert shop.meshes(child.id) == kept
        job = await shop.run(child.id)
        after = shop.meshes(child.id)
        assert (job.status, job.stop_reason, job.parts_done, job.progress) == ("succeeded", "edited", 3, 1.0)
        assert {name: after[name] for name in kept} == kept
        assert after["mesh_001.glb"] != before["mesh_001.glb"]
        assert shop.events(child.id) == ["part", "succeeded"]
        assert shop.meshes(parent) == before
        manifest = shop.manifest(child.id)
        assert manifest.parent is not None
        assert manifest.parent.job == parent
        latents = shop.job(parent).artifact("latents.safetensors")
        assert latents is not None
        assert manifest.parent.latents == latents.sha256
        assert manifest.edit == child.edit

    run(main())


def test_files_that_stay_are_written_once(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        child = (await shop.edit(parent, operation="rename", names={"1": "seat"})).id
        assert (await shop.run(child)).status == "succeeded"
        of_parent, of_child = ({one.name: one.key for one in shop.job(one).artifacts} for one in (parent, child))
        for name in (".prompt.npz", "mesh_000.glb", "mesh_002.glb"):
            assert of_child[name] == of_parent[name]
        assert [part.name for part in shop.manifest(child).parts] == [None, "seat", None]

    run(main())


EDITS: list[tuple[dict[str, Any], Stage, int]] = [
    ({"operation": "resample", "parts": [0, 2]}, Stage.PART, 2),
    ({"operation": "resample", "parts": [1], "candidates": 3}, Stage.EXPORT, 2),
    ({"operation": "split", "part": 1, "options": {"max_parts": 2}}, Stage.PART, 2),
    ({"operation": "continue", "options": {"max_parts": 5}}, Stage.PART, 2),
    ({"operation": "merge", "parts": [0, 2]}, Stage.PACKAGE, 1),
]


@pytest.mark.parametrize(("asked", "stage", "turn"), EDITS, ids=lambda value: str(value)[:40])
def test_an_edit_that_is_given_back_goes_on_to_the_same_meshes(
    shop: EditShop, asked: dict[str, Any], stage: Stage, turn: int
) -> None:
    async def main() -> None:
        parent = await shop.made()
        undisturbed = (await shop.edit(parent, **asked)).id
        assert (await shop.run(undisturbed)).status == "succeeded"
        broken = (await shop.edit(parent, **asked)).id
        gate = Gate(stage, turn)
        async with shop.worker(gate):
            await held(gate)
        assert shop.job(broken).status == "queued"
        job = await shop.run(broken)
        assert (job.status, shop.meshes(broken)) == ("succeeded", shop.meshes(undisturbed))

    run(main())


def test_an_edit_whose_runner_is_lost_is_taken_up_by_another(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        undisturbed = (await shop.edit(parent, operation="resample", parts=[0, 1])).id
        assert (await shop.run(undisturbed)).status == "succeeded"
        lost = (await shop.edit(parent, operation="resample", parts=[0, 1])).id
        gate = Gate(Stage.PART, 2)
        async with shop.worker(gate):
            await held(gate)
            shop.execute("UPDATE jobs SET lease = 'another', lease_until = 0 WHERE id = :id", id=lost)
            job = await shop.ended(lost)
        assert (job.status, job.runs, shop.meshes(lost)) == ("succeeded", 2, shop.meshes(undisturbed))
        assert shop.events(lost) == ["part", "part", "succeeded"]

    run(main())


def test_an_edit_is_cancelled_like_any_job_and_keeps_what_it_has(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        child = (await shop.edit(parent, operation="resample", parts=[0, 1])).id
        gate = Gate(Stage.PART, 2)
        async with shop.worker(gate):
            await held(gate)
            shop.stores.jobs.cancel(child, "ann")
            job = await shop.ended(child)
        assert (job.status, set(shop.meshes(child))) == ("cancelled", {"mesh_000.glb", "mesh_002.glb"})
        with zipfile.ZipFile(io.BytesIO(shop.content(child, "all.zip"))) as archive:
            assert sorted(archive.namelist()) == ["mesh_000.glb", "mesh_002.glb"]
        # What it has done does not count: to change it is to change its parent.
        again = await shop.edit(child, operation="remove", parts=[2])
        assert (again.parent, shop.meshes(again.id)) == (child, {})
        assert (await shop.run(again.id)).status == "succeeded"
        before = shop.meshes(parent)
        assert shop.meshes(again.id) == {name: before[name] for name in ("mesh_000.glb", "mesh_001.glb")}

    run(main())


def test_a_cancelled_job_can_be_gone_on_with_and_comes_to_what_it_would_have(shop: EditShop) -> None:
    async def main() -> None:
        whole = await shop.made()
        cut = shop.submit(**QUICK, max_parts=3)
        gate = Gate(Stage.PART, 2)
        async with shop.worker(gate):
            await held(gate)
            shop.stores.jobs.cancel(cut, "ann")
            await shop.ended(cut)
        again = (await shop.edit(cut, operation="continue")).id
        gate = Gate(Stage.PART, 2)  # and once more
        async with shop.worker(gate):
            await held(gate)
            shop.stores.jobs.cancel(again, "ann")
            await shop.ended(again)
        last = (await shop.edit(again, operation="continue")).id
        job = await shop.run(last)
        assert (job.status, job.stop_reason) == ("succeeded", "max_parts")
        assert shop.meshes(last) == shop.meshes(whole)

    run(main())


def test_going_on_with_a_mask_tries_the_regions_that_have_no_part(shop: EditShop) -> None:
    async def main() -> None:
        whole = shop.submit("image_mask")
        assert (await shop.run(whole)).status == "succeeded"
        cut = shop.submit("image_mask")
        gate = Gate(Stage.PART, 3)
        async with shop.worker(gate):
            await held(gate)
            shop.stores.jobs.cancel(cut, "ann")
            await shop.ended(cut)
        again = (await shop.edit(cut, operation="continue")).id
        job = await shop.run(again)
        assert (job.status, job.stop_reason) == ("succeeded", "all_regions_done")
        assert shop.meshes(again) == shop.meshes(whole)
        assert [part.label for part in shop.manifest(again).parts] == [
            part.label for part in shop.manifest(whole).parts
        ]

    run(main())


def test_candidates_are_parts_to_look_at_and_one_is_picked(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        child = (await shop.edit(parent, operation="resample", parts=[1], candidates=2)).id
        assert (await shop.run(child)).status == "succeeded"
        several = {one.name: one.sha256 for one in shop.job(child).artifacts}
        assert shop.events(child) == ["part", "part", "succeeded"]
        assert several["candidate_001_0.glb"] == several["mesh_001.glb"] != several["candidate_001_1.glb"]
        picked = (await shop.edit(child, operation="pick", candidate=1)).id
        assert (await shop.run(picked)).status == "succeeded"
        [_, second] = shop.manifest(child).candidates
        assert shop.manifest(picked).parts[1].seed == second.seed

    run(main())


async def _tidied(shop: EditShop) -> None:
    """Let a worker with nothing to run remove what is due."""
    async with shop.worker():
        await soon(lambda: shop.stores.retention.due() == (), "the removal of what is due")


def files_of(shop: EditShop) -> set[str]:
    root = Path(shop.stores.settings.artifacts)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_job_that_is_deleted_takes_nothing_from_its_edits_and_nothing_is_left_after_the_last(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        child = (await shop.edit(parent, operation="remove", parts=[1])).id
        await shop.run(child)
        grandchild = (await shop.edit(child, operation="reorder", order=[2, 0])).id
        before = shop.meshes(child)
        shop.desk.delete(parent, "ann")
        with pytest.raises(JobNotFoundError):
            shop.desk.get(parent, "ann")
        shop.desk.delete(child, "ann")
        job = await shop.run(grandchild)
        assert job.status == "succeeded"
        assert shop.meshes(grandchild) == before
        for artifact in job.artifacts:
            assert shop.stores.artifacts.get(artifact)
        assert files_of(shop) == {one.key for one in job.artifacts}
        assert {name.partition("/")[0] for name in files_of(shop)} >= {parent, grandchild}
        shop.desk.delete(grandchild, "ann")
        assert files_of(shop) == set()

    run(main())


def test_a_job_that_expires_takes_nothing_from_its_edits(shop: EditShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TIDY_SECONDS", 0.05)

    async def main() -> None:
        parent = await shop.made()
        child = (await shop.edit(parent, operation="resample", parts=[1])).id
        shop.execute("UPDATE jobs SET finished_at = finished_at - 1000000 WHERE id = :id", id=parent)
        await _tidied(shop)
        assert shop.job(parent).status == "expired"
        with pytest.raises(ExpiredError):
            await shop.edit(parent, operation="remove", parts=[1])
        job = await shop.ended(child) if shop.job(child).status.is_terminal else await shop.run(child)
        assert job.status == "succeeded"
        for artifact in job.artifacts:
            assert shop.stores.artifacts.get(artifact)

    run(main())


def test_the_same_key_and_edit_give_the_same_job_and_another_edit_is_refused(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        first = await shop.edit(parent, key="k", operation="remove", parts=[1])
        assert (await shop.edit(parent, key="k", operation="remove", parts=[1])).id == first.id
        with pytest.raises(IdempotencyError):
            await shop.edit(parent, key="k", operation="remove", parts=[0])
        assert len(shop.stores.jobs.page("ann", limit=10).records) == 2

    run(main())


@pytest.mark.parametrize(
    ("asked", "error", "field"),
    [
        ({"operation": "remove", "parts": [7]}, EditError, "parts"),
        ({"operation": "remove", "parts": [0, 1, 2]}, EditError, "parts"),
        ({"operation": "continue"}, EditError, "max_parts"),
        ({"operation": "continue", "options": {"max_parts": 1000}}, OptionError, "max_parts"),
        ({"operation": "pick", "candidate": 0}, EditError, "candidate"),
        ({"operation": "shrink"}, EditError, "operation"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_and_leaves_nothing(
    shop: EditShop, asked: Mapping[str, Any], error: type[ApgError], field: str
) -> None:
    async def main() -> None:
        parent = await shop.made()
        before = files_of(shop)
        with pytest.raises(error) as refused:
            await shop.edit(parent, **asked)
        assert refused.value.field == field
        assert files_of(shop) == before
        assert len(shop.stores.jobs.page("ann", limit=10).records) == 1

    run(main())


def test_jobs_of_others_running_ones_and_those_that_kept_no_latents_are_not_edited(shop: EditShop) -> None:
    async def main() -> None:
        queued = shop.submit()
        with pytest.raises(JobNotEndedError, match="is queued"):
            await shop.edit(queued, operation="continue")
        with pytest.raises(JobNotFoundError):
            await shop.edit(queued, owner="bob", operation="continue")
        await shop.run(queued)
        bare = await shop.made(save_latents=False)
        with pytest.raises(EditError, match="without save_latents"):
            await shop.edit(bare, operation="remove", parts=[0])

    run(main())


def test_edits_count_in_the_limits_of_a_key(shop: EditShop) -> None:
    async def main() -> None:
        parent = await shop.made()
        shop.desk = replace(shop.desk, limits=ServiceLimits(jobs_per_key=1))
        await shop.edit(parent, operation="remove", parts=[0])
        with pytest.raises(TooManyJobsError):
            await shop.edit(parent, operation="remove", parts=[1])

    run(main())
