"""Places that are shared fairly: whoever holds fewest is next, among those whoever got one longest ago."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """So many places; of one event loop."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._given = 0
        self._last_given: dict[str, int] = {}

    @asynccontextmanager
    async def of(self, who: str) -> AsyncIterator[None]:
        """A place, as soon as it is `who`'s turn, until the end of the block."""
        await self._take(who)
        try:
            yield
        finally:
            self._give_back(who)

    async def _take(self, who: str) -> None:
        if self._free and not self._waiting:
            self._hold(who)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(who)  # it came together with the cancellation
            raise

    def _hold(self, who: str) -> None:
        self._free -= 1
        self._held[who] += 1
        self._given += 1
        self._last_given[who] = self._given

    def _give_back(self, who: str) -> None:
        self._free += 1
        self._held[who] -= 1
        while self._free and self._waiting:
            next_one = min(self._waiting, key=lambda name: (self._held[name], self._last_given.get(name, 0)))
            turn = self._waiting[next_one].popleft()
            if not self._waiting[next_one]:
                del self._waiting[next_one]
            if not turn.done():
                self._hold(next_one)
                turn.set_result(None)
        if not self._held[who] and who not in self._waiting:
            del self._held[who]
            self._last_given.pop(who, None)
