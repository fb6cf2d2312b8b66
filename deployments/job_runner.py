"""Runs one claimed job from where it is to its end, and records that end."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from apg_core.protocol.artifacts import AcceptedPart, FailedRegion, InputEntry, PartFacts

from apg_core.errors import ApgError
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.finishing import Provenance
from apg_core.pipeline.generate import generate
from apg_core.presets import Preset
from apg_core.protocol.job import JobStage
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from deployments.artifacts import ArtifactStore
from deployments.decoding.prompts import PROMPT, unpack_mesh, unpack_prompt
from deployments.errors import ExpiredError, LeaseLostError, UnavailableError
from deployments.handle_stages import HandleStages, StageHandles
from deployments.job_sink import WHOLE, JobSink, latent_of, part_state
from deployments.jobs import tallies
from deployments.jobs.leases import JobLeases
from deployments.jobs.records import Claim, StoredArtifact, Tally
from deployments.logs import enter_job
from deployments.problems import problem_of

log = logging.getLogger(__name__)


class JobRunner:
    """Drives the generation of claimed jobs over the stages' deployments."""

    def __init__(
        self,
        *,
        preset: Preset,
        weights: dict[str, str],
        handles: StageHandles,
        leases: JobLeases,
        artifacts: ArtifactStore,
    ) -> None:
        self._preset = preset
        self._weights = weights
        self._handles = handles
        self._leases = leases
        self._artifacts = artifacts

    async def run(self, claim: Claim, *, asked_to_cancel: Callable[[], bool]) -> None:
        """Run the job to its end; returns without one where the lease is lost or the stores cannot be reached.

        When this task is cancelled, `asked_to_cancel` says whether the job is to end so; if not, it is given back to
        the queue. (A cancellation's own message does not survive the way through Ray.)
        """
        enter_job(claim.job.id, request_id=claim.job.request_id)
        log.info("job claimed", extra={"job_attempt": claim.lease.attempt})
        stages = HandleStages(self._handles)
        sink = JobSink(claim, stages=stages, leases=self._leases, artifacts=self._artifacts)
        telling = asyncio.create_task(sink.tell_steps())
        try:
            await self._generate(claim, stages, sink)
        except asyncio.CancelledError:
            await self._stop(claim, sink, asked=asked_to_cancel())
        except LeaseLostError:
            log.warning("lease lost; another runner has the job")
        except UnavailableError as error:
            # Nobody's fault and not the job's: when its lease runs out, another attempt is made.
            log.error("job left for another attempt", exc_info=error)  # noqa: TRY400
        except ApgError as error:
            log.warning("job failed", exc_info=error)
            problem = problem_of(error, request_id=claim.job.request_id)
            archive = await sink.archive()
            await self._end(sink, partial(self._leases.finish, claim.lease, "failed", error=problem, artifacts=archive))
        finally:
            telling.cancel()

    async def _generate(self, claim: Claim, stages: HandleStages, sink: JobSink) -> None:
        prompt = unpack_prompt(await self._hidden(claim, PROMPT))
        options = GenerationOptions.model_validate(claim.job.options)
        resume = await self._resume(claim)
        ending = await generate(prompt, options, preset=self._preset, stages=stages, sink=sink, resume=resume)
        await sink.stage(JobStage.PACKAGE)
        stored = await self._package(claim, stages, ending, prompt, options)
        finish = partial(
            self._leases.finish,
            claim.lease,
            "succeeded",
            stop_reason=ending.stop_reason.value,
            artifacts=stored,
            tally=_tally(ending, stages),
        )
        await sink.persist(finish)
        log.info("job succeeded", extra={"parts": len(ending.parts), "seconds": ending.timings})

    async def _package(
        self, claim: Claim, stages: HandleStages, ending: Ending, prompt: Prompt, options: GenerationOptions
    ) -> list[StoredArtifact]:
        whole = await stages.decode_mesh(ending.whole, options) if options.save_whole else None
        provenance = Provenance(
            preset=self._preset.name,
            random_weights=self._preset.random_seed is not None,
            weights=self._weights,
            inputs={name: InputEntry.model_validate(entry) for name, entry in claim.job.inputs.items()},
        )
        files = await stages.package(ending, prompt, options, provenance, whole)
        put = partial(self._artifacts.put, claim.job.id, claim.lease.attempt)
        return [await asyncio.to_thread(put, file.name, file.content) for file in files]

    async def _resume(self, claim: Claim) -> Resume:
        parts = [
            AcceptedPart(
                PartFacts.model_validate(part.facts),
                unpack_mesh(await self._hidden(claim, part_state(part.index))),
            )
            for part in claim.parts
        ]
        regions = claim.checkpoint.get("failed_regions", [])
        assert isinstance(regions, list)
        return Resume(
            whole=latent_of(await self._hidden(claim, WHOLE)) if claim.job.artifact(WHOLE) else None,
            parts=parts,
            failed_regions=[FailedRegion.model_validate(region) for region in regions],
        )

    async def _hidden(self, claim: Claim, name: str) -> bytes:
        stored = claim.job.artifact(name)
        if stored is None:
            raise ExpiredError(f"the job's {name} is gone from the artifact store")
        return await asyncio.to_thread(self._artifacts.get, stored)

    async def _stop(self, claim: Claim, sink: JobSink, *, asked: bool) -> None:
        if asked:
            log.info("job cancelled")
            cancelled = partial(self._leases.finish, claim.lease, "cancelled", stop_reason="cancelled")
            await self._end(sink, partial(cancelled, artifacts=await sink.archive()))
        else:
            log.info("job given back")
            await self._end(sink, partial(self._leases.release, claim.lease))

    async def _end(self, sink: JobSink, write: partial[None]) -> None:
        with contextlib.suppress(LeaseLostError):
            try:
                await sink.persist(write)
            except UnavailableError as error:
                log.error("the job's end could not be recorded", exc_info=error)  # noqa: TRY400


def _tally(ending: Ending, stages: HandleStages) -> Tally:
    tally: dict[tuple[str, str], float] = {}
    for stage, seconds in ending.timings.items():
        tally |= tallies.observed("stage_seconds", seconds, label=stage)
    rejected = sum(part.facts.attempt for part in ending.parts)
    tally[("attempts", "accepted")] = float(len(ending.parts))
    tally[("attempts", "rejected")] = float(rejected)
    for stage, count in stages.retried.items():
        tally[("retried", stage)] = float(count)
    return tally
