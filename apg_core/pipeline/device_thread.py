"""The one thread in which a network runs: libraries keep their plans for a shape by thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class DeviceThread:
    """Runs one call after the other, in a thread that is always the same, so that event loops stay free."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """What the call gives; it runs to its end though the awaiting task is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *arguments, **named))

    def wait_for(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """The same where there is no event loop."""
        return self._pool.submit(work, *arguments, **named).result()

    def close(self) -> None:
        """Let the thread go; nothing may be in flight."""
        self._pool.shutdown(wait=False)
