"""Runs one claimed job from where it is to its end, and records that end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from apg_core.errors import ApgError, OutputError
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.earlier import check_weights
from apg_core.pipeline.edit_brief import EditBrief
from apg_core.pipeline.editing import carry_out
from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.generate import generate
from apg_core.presets import Preset
from apg_core.protocol.manifest import ParentEntry, Provenance
from apg_core.protocol.stage import Stage
from deployments.errors import ExpiredError, LeaseLostError, StoreError, UnavailableError
from deployments.problems import problem_of
from deployments.running.archive import archive_of
from deployments.running.checkpoint import EARLIER, Checkpoint
from deployments.running.claimed import ClaimedJob
from deployments.running.job_stages import JobStages
from deployments.running.sink import JobSink
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs import tallies
from deployments.stores.jobs.leases import JobEnd, JobLeases, LeaseState
from deployments.stores.jobs.records import Claim, JobRecord, StoredArtifact
from deployments.stores.jobs.tallies import Tally, Total

log = logging.getLogger(__name__)

Afterwards: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Drives the generation of claimed jobs over their stages, wherever these are."""

    preset: Preset
    provenance: Provenance
    """What the manifests say of the preset; each job adds its inputs."""
    stages: Callable[[JobRecord], JobStages]
    """Gives each job stages of its own."""
    leases: JobLeases
    artifacts: ArtifactStore

    async def run(self, claim: Claim) -> Afterwards | None:
        """Run the job to its end; returns without one where the lease is lost or the stores cannot be reached.

        Gives what there is to do for the job after it has ended, when nobody holds it any more.

        When this task is cancelled, the job ends so if its owner has asked for that; if not, it is given back to the
        queue.
        """
        stages = self.stages(claim.job)
        job = ClaimedJob(claim, self.leases, self.artifacts)
        sink = JobSink(job, draft_file=stages.draft_file)
        log.info("job claimed", extra={"run": claim.lease.run})
        with _left_to_another_run():
            try:
                return await self._generate(job, stages, sink)
            except asyncio.CancelledError:
                await _let_go(job, sink)
            except (LeaseLostError, UnavailableError):
                raise
            except ApgError as error:
                log.warning("job failed", exc_info=error)
                problem = problem_of(error, request_id=claim.job.request_id)
                archive = await _archived_parts(job, sink)
                await job.write(JobLeases.finish, JobEnd("failed", error=problem, artifacts=archive))
        return None

    async def _generate(self, job: ClaimedJob, stages: JobStages, sink: JobSink) -> Afterwards | None:
        start = await Checkpoint.load(job)
        async with sink.reporting_steps():
            ending = await self._ending(start, stages, sink)
        await sink.stage(Stage.PACKAGE)
        provenance = _with_origin(self.provenance, job.claim.job)
        files = await stages.package(ending, start.prompt, start.options, provenance)
        end = JobEnd(
            "succeeded",
            stop_reason=ending.stop_reason.value,
            artifacts=[await job.put(file.name, file.content) for file in files],
            parts_done=None if start.edited is None else len(ending.parts),
            tally=_tally(ending, stages),
        )
        await job.write(JobLeases.finish, end)
        log.info("job succeeded", extra={"parts": len(ending.parts), "seconds": ending.timings})
        if not start.options.preview:
            return None
        return partial(_add_preview, job, partial(stages.preview, ending, start.prompt, start.options))

    async def _ending(self, start: Checkpoint, stages: JobStages, sink: JobSink) -> Ending:
        if start.edited is None:
            brief = Brief(prompt=start.prompt, options=start.options, preset=self.preset, stages=stages, sink=sink)
            return await generate(brief, start.resume)
        earlier, plan = start.edited
        if plan.samples and earlier.record.weights:  # an interrupted parent's are not known
            check_weights(earlier.record, self.provenance)
        edit_brief = EditBrief(
            prompt=start.prompt,
            options=start.options,
            preset=self.preset,
            stages=stages,
            sink=sink,
            earlier=earlier,
            plan=plan,
        )
        return await carry_out(edit_brief, start.resume)


def _with_origin(loaded: Provenance, job: JobRecord) -> Provenance:
    origin = replace(loaded, inputs=job.inputs, job=job.id)
    if (earlier := job.artifact(EARLIER)) is None:
        return origin
    return replace(origin, parent=ParentEntry(latents=earlier.sha256, job=job.parent), edit=job.edit)


@contextmanager
def _left_to_another_run() -> Iterator[None]:
    """A lost lease or an unreachable store ends this run and not the job, which is claimed again."""
    try:
        yield
    except LeaseLostError:
        log.warning("lease lost; another runner has the job")
    except UnavailableError as error:  # nobody's fault and not the job's
        log.error("job left for another run", exc_info=error)  # noqa: TRY400


async def _let_go(job: ClaimedJob, sink: JobSink) -> None:
    match await job.state():
        case LeaseState.CANCEL:
            archive = await _archived_parts(job, sink)
            await job.write(JobLeases.finish, JobEnd("cancelled", stop_reason="cancelled", artifacts=archive))
            log.info("job cancelled")
        case LeaseState.HELD:
            await job.write(JobLeases.release)
            log.info("job given back")
        case LeaseState.LOST:
            raise LeaseLostError(f"job {job.claim.job.id} is not held by this runner any more")


async def _archived_parts(job: ClaimedJob, sink: JobSink) -> list[StoredArtifact]:
    """The accepted parts in one file, for a job that ends early; nothing where there are none to be had."""
    if not sink.part_files:
        return []
    try:
        files = [OutputFile(one.name, await job.get(one)) for one in sink.part_files]
        archive = await asyncio.to_thread(archive_of, files)
        return [await job.put(archive.name, archive.content)]
    except (OutputError, ExpiredError, StoreError):  # the job ends all the same, and each part is there
        log.warning("no archive of the accepted parts", exc_info=True)
        return []


async def _add_preview(job: ClaimedJob, draw: Callable[[], Awaitable[OutputFile | None]]) -> None:
    """Give a job that has ended well its picture; without one it has ended well all the same."""
    try:
        if (picture := await draw()) is not None:
            await job.write(JobLeases.add_to_success, await job.put(picture.name, picture.content))
    except (ApgError, LeaseLostError):
        log.warning("no preview", exc_info=True)


def _tally(ending: Ending, stages: JobStages) -> Tally:
    tally = Tally()
    for stage, seconds in ending.timings.items():
        tally.observe(tallies.STAGE_SECONDS, seconds, label=stage)
    tally.count(Total.ATTEMPTS, len(ending.parts), label="accepted")
    tally.count(Total.ATTEMPTS, sum(part.facts.attempt for part in ending.parts), label="rejected")
    for stage, count in stages.retried.items():
        tally.count(Total.RETRIED, count, label=stage)
    return tally
