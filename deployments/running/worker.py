"""Claims jobs and keeps them running; everything that must not be lost is in the stores."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from deployments.errors import StoreError
from deployments.running.runner import Afterwards, JobRunner
from deployments.running.tidying import Tidying
from deployments.stores.jobs.leases import LeaseState
from deployments.stores.jobs.records import Lease, Share
from deployments.stores.opening import Stores

log = logging.getLogger(__name__)

CLAIM_SECONDS = 0.1
LOOK_SECONDS = 0.1
TIDY_SECONDS = 5.0
RENEWALS_PER_LEASE = 4


class JobWorker:
    """Runs up to `concurrent_jobs` jobs of its share at a time; several workers share the queue."""

    def __init__(self, stores: Stores, runner: JobRunner, *, concurrent_jobs: int, share: Share | None = None) -> None:
        self._leases = stores.leases
        self._tidying = Tidying(stores)
        self._renew_seconds = stores.settings.lease_seconds / RENEWALS_PER_LEASE
        self._runner = runner
        self._share = share
        self._concurrent_jobs = concurrent_jobs
        self._name = f"{socket.gethostname()}/{os.getpid()}"
        self._running: dict[Lease, asyncio.Task[Afterwards | None]] = {}
        self._afterwards: set[asyncio.Task[None]] = set()
        self._interrupted: set[Lease] = set()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to claim jobs, in tasks of the running event loop."""
        self._loops = [
            asyncio.create_task(_again_and_again(work, seconds))
            for work, seconds in (
                (self._claim_jobs, CLAIM_SECONDS),
                (self._interrupt_unwanted, LOOK_SECONDS),
                (self._renew_leases, self._renew_seconds),
                (self._tidy_stores, TIDY_SECONDS),
            )
        ]

    def check(self) -> None:
        """Raise what one of the loops has ended with, if one has."""
        for loop in self._loops:
            if loop.done():
                loop.result()

    async def stop(self) -> None:
        """Claim no more, and give every job back to the queue."""
        for loop in self._loops:
            loop.cancel()
        for lease in self._running.keys() - self._interrupted:
            self._interrupt(lease)
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        for task in self._afterwards:
            task.cancel()
        await asyncio.gather(*self._afterwards, return_exceptions=True)

    async def _claim_jobs(self) -> None:
        while len(self._running) < self._concurrent_jobs:
            claim = await asyncio.to_thread(self._leases.claim, self._name, self._share)
            if claim is None:
                return
            task = asyncio.create_task(self._runner.run(claim))
            self._running[claim.lease] = task
            task.add_done_callback(partial(self._forget, claim.lease))

    def _forget(self, lease: Lease, ended: asyncio.Task[Afterwards | None]) -> None:
        del self._running[lease]
        self._interrupted.discard(lease)
        if ended.cancelled():
            return
        if (error := ended.exception()) is not None:
            # Its lease runs out, the job is claimed again, and after the last run it fails.
            log.error("job's runner failed", exc_info=error, extra={"job": lease.job_id})
        elif (afterwards := ended.result()) is not None:
            task = asyncio.create_task(afterwards())
            self._afterwards.add(task)
            task.add_done_callback(self._afterwards.discard)

    async def _interrupt_unwanted(self) -> None:
        if self._running:
            self._heed(await asyncio.to_thread(self._leases.look, list(self._running)))

    async def _renew_leases(self) -> None:
        if self._running:
            self._heed(await asyncio.to_thread(self._leases.renew, list(self._running)))

    def _heed(self, states: dict[str, LeaseState]) -> None:
        for lease in self._running.keys() - self._interrupted:
            if states.get(lease.job_id, LeaseState.HELD) is not LeaseState.HELD:
                self._interrupt(lease)

    def _interrupt(self, lease: Lease) -> None:
        self._interrupted.add(lease)  # once: a second time would interrupt the recording of the job's end
        self._running[lease].cancel()

    async def _tidy_stores(self) -> None:
        await asyncio.to_thread(self._tidying.tidy)


async def _again_and_again(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do the work, wait, and again; an unreachable store is waited out."""
    while True:
        try:
            await work()
        except StoreError as error:
            log.warning("store unreachable: %s", error)
        await asyncio.sleep(seconds)
