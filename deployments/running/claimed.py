"""A job in a runner's hands: its files, and changes to it that hold only while its lease does."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import PurePath
from typing import Concatenate, ParamSpec, TypeVar

from apg_core.protocol.backoff import delays
from deployments.errors import ExpiredError, StoreError
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs.leases import JobLeases, LeaseState
from deployments.stores.jobs.records import Claim, Lease, StoredArtifact

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TRIES, LONGEST_DELAY_SECONDS = 6, 4.0  # at a store that cannot be reached; SQLite itself waits five seconds each time


@dataclass(frozen=True)
class ClaimedJob:
    """A claim, and the stores that what becomes of it is written to."""

    claim: Claim
    leases: JobLeases
    artifacts: ArtifactStore

    async def write(
        self,
        change: Callable[Concatenate[JobLeases, Lease, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Make one of the changes of `JobLeases` under this job's lease; waits for a store that cannot be reached.

        Raises:
            LeaseLostError: another runner has the job, or it has ended.
            StoreError: the store could not be reached for long.
        """
        return await _patiently(partial(change, self.leases, self.claim.lease, *arguments, **named))

    async def state(self) -> LeaseState:
        """What is to be done with the job now."""
        lease = self.claim.lease
        return (await _patiently(partial(self.leases.look, [lease])))[lease.job_id]

    async def put(self, name: str, content: bytes) -> StoredArtifact:
        """Write one of the job's files; one that an edit shares with its parent is not written again.

        Raises:
            OutputError: the artifact store is full, read-only, or cannot be reached.
        """
        lease = self.claim.lease
        if (shared := self._shared(name, content)) is not None:
            return shared
        return await asyncio.to_thread(self.artifacts.put, lease.job_id, lease.run, name, content)

    def _shared(self, name: str, content: bytes) -> StoredArtifact | None:
        if self.claim.job.parent is None:
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        same = (
            one
            for one in self.claim.job.artifacts
            if one.sha256 == sha256 and PurePath(one.name).suffix == PurePath(name).suffix
        )
        found = next(same, None)
        return None if found is None else replace(found, name=name)

    async def get(self, stored: StoredArtifact) -> bytes:
        """The content of one of the job's files.

        Raises:
            ExpiredError: it is gone.
            StoreError: the artifact store cannot be reached.
        """
        return await asyncio.to_thread(self.artifacts.get, stored)

    async def get_hidden(self, name: str) -> bytes:
        """The content of a file that the job cannot be run without.

        Raises:
            ExpiredError: it is gone.
            StoreError: the artifact store cannot be reached.
        """
        stored = self.claim.job.artifact(name)
        if stored is None:
            raise ExpiredError(f"the job's {name} is gone from the artifact store")
        return await self.get(stored)


async def _patiently(work: Callable[[], Result]) -> Result:
    for delay in islice(delays(longest=LONGEST_DELAY_SECONDS), TRIES - 1):
        try:
            return await asyncio.to_thread(work)
        except StoreError:
            log.warning("job store unreachable")
            await asyncio.sleep(delay)
    return await asyncio.to_thread(work)
