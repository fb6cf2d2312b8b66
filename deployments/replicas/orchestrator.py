"""The deployment that claims jobs and runs them; everything that must not be lost is in the stores."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable

from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.presets import load_preset
from deployments.errors import LeaseLostError, StoreError
from deployments.logs import join_serve_logs
from deployments.running.handle_stages import Handle, StageHandles
from deployments.running.runner import JobRunner
from deployments.settings import AppArgs
from deployments.stores.jobs.leases import LeaseState
from deployments.stores.jobs.records import Claim, Lease
from deployments.stores.opening import open_stores

log = logging.getLogger(__name__)

CLAIM_SECONDS = 0.1
LOOK_SECONDS = 0.1
TIDY_SECONDS = 5.0
RENEWALS_PER_LEASE = 4
CANCELLED, LOST, SHUTDOWN = "cancelled", "lease lost", "shutdown"


class Orchestrator:
    """Runs up to `concurrent_jobs` jobs at a time; several replicas share the queue."""

    def __init__(
        self,
        args: AppArgs,
        background_remover: Handle,
        image_encoder: Handle,
        part_sampler: Handle,
        shape_codec: Handle,
        mesh_worker: Handle,
    ) -> None:
        join_serve_logs()
        self._stores = open_stores(args.stores)
        self._leases = self._stores.leases
        self._retention = self._stores.retention
        self._concurrent_jobs = args.concurrent_jobs
        self._lease_seconds = args.stores.lease_seconds
        preset = load_preset(args.models.preset)
        models = ModelLoader(preset, device=pick_device("cpu"), checkpoints=(args.models.checkpoints,))
        self._runner = JobRunner(
            preset=preset,
            weights=models.weight_hashes(),
            handles=StageHandles(background_remover, image_encoder, part_sampler, shape_codec, mesh_worker),
            leases=self._leases,
            artifacts=self._stores.artifacts,
        )
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._running: dict[Lease, asyncio.Task[None]] = {}
        self._stopping: dict[Lease, str] = {}
        self._loops = [
            asyncio.create_task(_again(work, seconds))
            for work, seconds in (
                (self._claim, CLAIM_SECONDS),
                (self._look, LOOK_SECONDS),
                (self._renew, self._lease_seconds / RENEWALS_PER_LEASE),
                (self._tidy, TIDY_SECONDS),
            )
        ]

    def ready(self) -> bool:
        """Whether it can work."""
        return True

    async def check_health(self) -> None:
        """Raise if one of its loops has ended: Serve replaces this replica then."""
        for loop in self._loops:
            if loop.done():
                loop.result()

    async def __del__(self) -> None:
        """Give every job back to the queue; Serve awaits this when a replica is asked to stop."""
        for loop in self._loops:
            loop.cancel()
        for lease in self._running.keys() - self._stopping.keys():
            self._stop(lease, SHUTDOWN)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._stores.database.close()

    async def _claim(self) -> None:
        while len(self._running) < self._concurrent_jobs:
            claim = await asyncio.to_thread(self._leases.claim, self._name)
            if claim is None:
                return
            self._start(claim)

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._runner.run(claim, asked_to_cancel=lambda: self._asked(claim.lease)))
        self._running[claim.lease] = task
        task.add_done_callback(lambda _: self._ended(claim, task))

    def _asked(self, lease: Lease) -> bool:
        return self._stopping.get(lease) == CANCELLED

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        del self._running[claim.lease]
        self._stopping.pop(claim.lease, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease runs out, another attempt is made, and after the last one the job fails.
            log.error("job's runner failed", exc_info=error, extra={"job": claim.job.id})

    async def _look(self) -> None:
        if self._running:
            self._obey(await asyncio.to_thread(self._leases.look, list(self._running)))

    async def _renew(self) -> None:
        if self._running:
            self._obey(await asyncio.to_thread(self._leases.renew, list(self._running)))

    def _obey(self, states: dict[str, LeaseState]) -> None:
        for lease in self._running.keys() - self._stopping.keys():  # once: a second time would interrupt the job's end
            match states.get(lease.job_id):
                case LeaseState.CANCEL:
                    self._stop(lease, CANCELLED)
                case LeaseState.LOST:
                    self._stop(lease, LOST)

    def _stop(self, lease: Lease, why: str) -> None:
        self._stopping[lease] = why
        self._running[lease].cancel()

    async def _tidy(self) -> None:
        await asyncio.to_thread(self._retention.settle)
        await asyncio.to_thread(self._retention.drop_old)
        for job_id in await asyncio.to_thread(self._retention.due):
            await asyncio.to_thread(self._stores.artifacts.remove_job, job_id)
            await asyncio.to_thread(self._retention.forget, job_id)


async def _again(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do the work, wait, and again; an unreachable store is waited out."""
    while True:
        try:
            await work()
        except (StoreError, LeaseLostError) as error:
            log.warning("store unreachable: %s", error)
        await asyncio.sleep(seconds)
