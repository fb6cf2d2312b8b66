"""Jobs without Ray: real stores, the nano preset in this process, and workers that may be held at a gate."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from apg_core.inputs import read_image, read_mask, read_mesh
from apg_core.pipeline.local import LocalStages, Pipeline, load_pipeline
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.packing import pack_prompt
from apg_core.protocol.prompt import Prompt
from deployments.running.checkpoint import PROMPT
from deployments.running.runner import JobRunner
from deployments.running.worker import JobWorker
from deployments.settings import StoreSettings
from deployments.stores.jobs.records import JobRecord, NewJob, QueueLimits
from deployments.stores.opening import Stores, open_stores
from tests.support.inputs import box_glb, mask_png, png
from tests.support.job_stages import Gate, LocalJobStages

ROOMY = QueueLimits(queued=100, per_owner=100)
QUICK = {"seed": 4, "num_inference_steps": 2, "grid_size": 16, "max_parts": 2, "preview": False}
SECONDS = 60.0


@cache
def nano() -> Pipeline:
    return load_pipeline("nano", "cpu")


@cache
def prompt(mode: str) -> Prompt:
    return Prompt(
        image=read_image(png()) if "image" in mode else None,
        mesh=read_mesh(box_glb()) if "mesh" in mode else None,
        mask=read_mask(mask_png(3)) if "mask" in mode else None,
    )


class Workshop:
    """Stores in a folder, and workers that run their jobs."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.stores: Stores = open_stores(StoreSettings(folder=folder, **settings))

    def submit(self, mode: str = "image", **options: Any) -> str:
        """Queue a job; its id."""
        job_id, given = uuid.uuid4().hex, prompt(mode)
        complete = nano().preset.complete(GenerationOptions(**(QUICK | options)))
        new = NewJob(
            id=job_id,
            owner="ann",
            mode=given.mode,
            seed=complete.seed,
            options=complete.model_dump(mode="json"),
            inputs={},
            artifacts=(self.stores.artifacts.put(job_id, 0, PROMPT, pack_prompt(given)),),
            parts_total=None if given.regions is None else len(given.regions),
        )
        return self.stores.jobs.submit(new, limits=ROOMY, idempotency=None).job.id

    def job(self, job_id: str) -> JobRecord:
        """The job as it is now."""
        return self.stores.jobs.get(job_id, "ann")

    def content(self, job_id: str, name: str) -> bytes:
        """One of its files."""
        stored = self.job(job_id).artifact(name)
        assert stored is not None
        return self.stores.artifacts.get(stored)

    def meshes(self, job_id: str) -> dict[str, str]:
        """Hashes of its meshes."""
        return {one.name: one.sha256 for one in self.job(job_id).artifacts if re.fullmatch(r"mesh_\d+\.glb", one.name)}

    def events(self, job_id: str) -> list[str]:
        """What its followers have been told, progress left out."""
        events = self.stores.jobs.events_after(job_id, "ann", 0).events
        return [event.type for event in events if event.type != "progress"]

    def execute(self, statement: str, **values: Any) -> None:
        """Change the tables behind everybody's back."""
        with self.stores.database.writing() as connection:
            connection.execute(text(statement), values)

    @asynccontextmanager
    async def worker(
        self, gate: Gate | None = None, *, stages: LocalStages | None = None, concurrent_jobs: int = 4
    ) -> AsyncIterator[JobWorker]:
        """A worker that is told to stop at the end."""
        runner = JobRunner(
            preset=nano().preset,
            provenance=nano().provenance,
            stages=lambda _: LocalJobStages(stages or nano().stages, gate or Gate()),
            leases=self.stores.leases,
            artifacts=self.stores.artifacts,
        )
        running = JobWorker(self.stores, runner, concurrent_jobs=concurrent_jobs)
        running.start()
        try:
            yield running
        finally:
            await running.stop()

    async def ended(self, job_id: str) -> JobRecord:
        """The job once it has ended."""
        await soon(lambda: self.job(job_id).status.is_terminal, "the job's end")
        return self.job(job_id)

    async def run(self, job_id: str) -> JobRecord:
        """The job, run to its end by a worker of its own."""
        async with self.worker():
            return await self.ended(job_id)


async def soon(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so, with a deadline."""
    try:
        async with asyncio.timeout(SECONDS):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {SECONDS:g} s: {what}")


async def held(gate: Gate) -> None:
    """Wait until a job is held at the gate."""
    async with asyncio.timeout(SECONDS):
        await gate.reached.wait()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)
