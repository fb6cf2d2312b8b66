"""Where the generation of one job tells what it does: writes progress and accepted parts to the stores."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
from apg_core.protocol.artifacts import AcceptedPart, FailedRegion

from apg_core.errors import OutputError
from apg_core.pipeline.finishing import Artifact
from apg_core.pipeline.stages import OnStep
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.job import JobStage
from deployments.archive import archive_of
from deployments.artifacts import ArtifactStore
from deployments.decoding.prompts import pack, pack_mesh, unpack
from deployments.errors import ExpiredError, StoreError
from deployments.handle_stages import HandleStages
from deployments.jobs.leases import JobLeases
from deployments.jobs.records import Claim, JsonObject, PartRecord, StoredArtifact

log = logging.getLogger(__name__)

Result = TypeVar("Result")

WHOLE = ".whole.npz"
REPORT_SECONDS = 1.0  # how often steps are told; stages and parts are told at once
_BEGUN = {JobStage.BACKGROUND: 0.0, JobStage.ENCODE: 0.02, JobStage.WHOLE: 0.05}
_PARTS_BEGIN, _PARTS_END = 0.15, 0.95
_PART_SHARE = 0.15  # of what is left, where nobody knows how many parts there will be
_STORE_PATIENCE = (0.2, 0.5, 1.0, 2.0, 4.0)


def part_state(index: int) -> str:
    """Name of the hidden artifact that holds an accepted part's mesh, exactly."""
    return f".part_{index:03d}.npz"


class JobSink:
    """Writes what one job comes to. A part is in the stores before `part` returns."""

    def __init__(self, claim: Claim, *, stages: HandleStages, leases: JobLeases, artifacts: ArtifactStore) -> None:
        self._claim = claim
        self._stages = stages
        self._leases = leases
        self._artifacts = artifacts
        self._part_files = [one for one in claim.job.artifacts if not one.is_hidden]
        self._stage = JobStage.BACKGROUND
        self._parts_done = len(claim.parts)
        self._parts_total = claim.job.parts_total
        self._fraction = 0.0  # of the current trajectory
        self._told = -1.0
        regions = claim.checkpoint.get("failed_regions", [])
        self._failed_regions: list[FailedRegion] = [FailedRegion.model_validate(one) for one in _list(regions)]

    async def stage(self, stage: JobStage, *, part: int | None = None, attempt: int = 0) -> None:
        """See `Sink`."""
        self._stage = stage
        self._fraction = 0.0
        log.info("stage", extra={"stage": stage.value, "part": part, "part_attempt": attempt})
        await self._report()

    def on_step(self) -> OnStep | None:
        """See `Sink`."""
        return self._step

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        """See `Sink`."""
        if self._claim.job.artifact(WHOLE) is None:
            await self._keep([await self._put(WHOLE, pack({"latent": latent}))])

    async def part(self, part: AcceptedPart) -> None:
        """See `Sink`."""
        index = part.facts.index
        file = await self._stages.part_file(part, self._parts_total)
        mesh = await self._put(file.name, file.content)
        exact = await self._put(part_state(index), pack_mesh(part.mesh))
        self._parts_done += 1
        self._fraction = 0.0
        record = PartRecord(index=index, facts=part.facts.model_dump(mode="json"))
        await self.persist(
            partial(
                self._leases.accept_part,
                self._claim.lease,
                record,
                mesh=mesh,
                hidden=[exact],
                progress=self._progress(),
            )
        )
        self._part_files.append(mesh)
        self._told = self._progress()
        log.info("part accepted", extra={"part": index, "seed": part.facts.seed})

    async def region_failed(self, region: FailedRegion) -> None:
        """See `Sink`."""
        self._failed_regions.append(region)
        await self._keep([])

    async def archive(self) -> list[StoredArtifact]:
        """The accepted parts in one file, for a job that ends early; nothing where there are none to be had."""
        if not self._part_files:
            return []
        try:
            files = [Artifact(one.name, await asyncio.to_thread(self._artifacts.get, one)) for one in self._part_files]
            archive = await asyncio.to_thread(archive_of, files)
            return [await self._put(archive.name, archive.content)]
        except (OutputError, ExpiredError, StoreError):  # the job ends all the same, and each part is there
            log.warning("no archive of the accepted parts", exc_info=True)
            return []

    async def tell_steps(self) -> None:
        """Tell how far the current trajectory is, now and then, until cancelled."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if self._progress() > self._told:
                with contextlib.suppress(StoreError):  # the next one will do
                    await self._report()

    async def persist(self, write: Callable[[], Result]) -> Result:
        """Do a write, again for a while where the store cannot be reached."""
        for delay in _STORE_PATIENCE:
            try:
                return await asyncio.to_thread(write)
            except StoreError:
                log.warning("job store unreachable")
                await asyncio.sleep(delay)
        return await asyncio.to_thread(write)

    def _step(self, taken: int, total: int) -> None:
        self._fraction = taken / total

    async def _report(self) -> None:
        self._told = self._progress()
        report = partial(self._leases.report, self._claim.lease, stage=self._stage, progress=self._told)
        await self.persist(report)

    async def _keep(self, stored: list[StoredArtifact]) -> None:
        checkpoint: JsonObject = {"failed_regions": [region.model_dump(mode="json") for region in self._failed_regions]}
        keep = partial(self._leases.keep, self._claim.lease, artifacts=stored, checkpoint=checkpoint)
        await self.persist(keep)

    async def _put(self, name: str, content: bytes) -> StoredArtifact:
        return await asyncio.to_thread(
            self._artifacts.put, self._claim.job.id, self._claim.lease.attempt, name, content
        )

    def _progress(self) -> float:
        return round(self._share_done(), 3)

    def _share_done(self) -> float:
        if self._stage in (JobStage.FIT, JobStage.PACKAGE):
            return _PARTS_END
        if self._stage is JobStage.WHOLE:
            return _BEGUN[JobStage.WHOLE] + (_PARTS_BEGIN - _BEGUN[JobStage.WHOLE]) * self._fraction
        if self._stage in _BEGUN:
            return _BEGUN[self._stage]
        done = self._parts_done + (self._fraction if self._stage is JobStage.PART else 0.0)
        share = done / self._parts_total if self._parts_total else 1 - (1 - _PART_SHARE) ** done
        return _PARTS_BEGIN + (_PARTS_END - _PARTS_BEGIN) * min(share, 1.0)


def latent_of(content: bytes) -> LatentArray:
    """The whole's latent, as `JobSink.whole` wrote it."""
    latent: np.ndarray = unpack(content)["latent"]
    return latent


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
