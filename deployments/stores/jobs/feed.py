"""Following jobs: one look at the store for all who follow, however many they are."""

import asyncio
import logging
from collections.abc import AsyncIterator

from apg_core.protocol.job import Event
from deployments.errors import JobNotFoundError, StoreError
from deployments.stores.jobs.store import JobStore

log = logging.getLogger(__name__)


class EventFeed:
    """Gives the events of jobs as they come."""

    def __init__(self, store: JobStore, *, poll_seconds: float) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._waiting: dict[asyncio.Event, tuple[str, int]] = {}
        self._ticking: asyncio.Task[None] | None = None

    async def follow(self, job_id: str, owner: str, *, after: int = 0) -> AsyncIterator[Event]:
        """All events of a job beyond number `after`, until it has ended or is deleted."""
        while True:
            try:
                page = await asyncio.to_thread(self._store.events_after, job_id, owner, after)
            except JobNotFoundError:
                return
            except StoreError:
                log.warning("job store unreachable while following", extra={"job": job_id})
                await asyncio.sleep(self._poll_seconds * 10)
                continue
            for event in page.events:
                after = event.id
                yield event
            if page.ended:
                return
            await self._news_of(job_id, after)

    async def _news_of(self, job_id: str, after: int) -> None:
        news = asyncio.Event()
        self._waiting[news] = (job_id, after)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())
        try:
            await news.wait()
        finally:
            del self._waiting[news]

    async def _tick(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._poll_seconds)
            wanted = {job_id for job_id, _ in self._waiting.values()}
            try:
                newest = await asyncio.to_thread(self._store.last_events, wanted)
            except StoreError:
                log.warning("job store unreachable while looking for events")
                continue
            for news, (job_id, after) in self._waiting.items():
                if newest.get(job_id, after + 1) > after:  # a job that is gone is news too
                    news.set()
