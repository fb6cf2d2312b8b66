"""How often each object was begun, told by one small actor that lives where the driver does; and who goes in alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TRIES = 3


class Tries:
    """Counts how often each object was begun and not ended: an object that kills its actor is given up."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begun(self, item: str) -> int:
        """How often it was begun before."""
        return self._begun.get(item, 0)

    def begin(self, item: str) -> int:
        """How often it was begun, this time included."""
        self._begun[item] = self._begun.get(item, 0) + 1
        return self._begun[item]

    def end(self, item: str) -> None:
        """It has ended, well or not."""
        self._begun.pop(item, None)


class Room:
    """Places for objects on one actor, in order of arrival; one that is suspected of killing actors is there alone."""

    def __init__(self, places: int) -> None:
        self._count = places
        self._places = asyncio.Semaphore(places)
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def of(self, *, alone: bool) -> AsyncIterator[None]:
        """A place, or every place."""
        taken = 0
        try:
            async with self._door:  # who waits for all of them lets nobody pass
                for _ in range(self._count if alone else 1):
                    await self._places.acquire()
                    taken += 1
            yield
        finally:
            for _ in range(taken):
                self._places.release()
