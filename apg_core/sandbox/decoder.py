"""Decodes untrusted files in processes of their own, within time and memory."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from types import TracebackType
from typing import Self

from apg_core.errors import InputError, LimitError, SandboxError
from apg_core.sandbox.messages import DecodeAnswer, Decoded, DecodeRequest
from apg_core.sandbox.turns import Turns

log = logging.getLogger(__name__)

_START_SECONDS = 120.0
_GRACE_SECONDS = 2.0  # beyond the process's own alarm
_TRIES = 2  # a process may end for reasons of its own once; inputs that end two are at fault
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Decoder:
    """A few processes that decode, shared fairly by those who ask; one that dies or hangs is replaced.

    Use as an async context; one starts then, so that the first request need not wait for imports, the others when
    there are requests for them.
    """

    def __init__(self, *, processes: int, memory_bytes: int) -> None:
        self._processes = processes
        self._memory_bytes = memory_bytes
        self._idle: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        """Last in, first out: one that runs before one that would have to be started."""
        self._started: set[asyncio.subprocess.Process] = set()
        self._turns = Turns(processes)

    async def __aenter__(self) -> Self:
        for _ in range(1, self._processes):
            self._idle.put_nowait(None)
        self._idle.put_nowait(await self._start())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in list(self._started):
            await self._end(process)

    async def decode(self, request: DecodeRequest, *, owner: str = "") -> Decoded:
        """The files as a prompt, written to `request.output`.

        Each of several owners who wait gets its turn, however many requests another has.

        Raises:
            InputError: they cannot be used, or not within the limits, or they end the process that decodes them.
            SandboxError: no process to decode them could be started.
        """
        async with self._turns.of(owner):
            for _ in range(_TRIES):
                try:
                    return await self._decode(request)
                except _EndedError as ended:
                    log.warning("decoder ended before it answered", extra={"status": ended.status})
                    status = ended.status
        raise InputError(f"decoding these inputs ends the decoder (status {status}); they are damaged, save them again")

    async def _decode(self, request: DecodeRequest) -> Decoded:
        process = self._idle.get_nowait()
        healthy: asyncio.subprocess.Process | None = None
        try:
            if process is None or process.returncode is not None:
                process = await self._start()
            answer = await self._ask(process, request)
            healthy = process
        finally:
            self._idle.put_nowait(healthy)
            if healthy is None and process is not None:
                await self._end(process)
        if answer.decoded is None:
            raise InputError("the inputs cannot be used") if answer.refusal is None else answer.refusal.error()
        return answer.decoded

    async def _ask(self, process: asyncio.subprocess.Process, request: DecodeRequest) -> DecodeAnswer:
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            process.stdin.write(request.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), request.seconds + _GRACE_SECONDS)
        except TimeoutError as error:
            raise _too_slow(request) from error
        except (ConnectionError, RuntimeError):  # it is gone; uvloop says so with the latter
            pass
        if not line:
            status = await _status_of(process)
            raise _too_slow(request) if status == -signal.SIGALRM else _EndedError(status)
        return DecodeAnswer.model_validate_json(line)

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "apg_core.sandbox.worker", str(self._memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._started.add(process)
        assert process.stdout is not None
        try:  # the time limit of a request must not count the time that imports take
            await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)
        except TimeoutError as error:
            await self._end(process)
            raise SandboxError("the decoder did not start; try again shortly") from error
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._started.discard(process)


class _EndedError(Exception):
    """The process ended before it answered."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def _status_of(process: asyncio.subprocess.Process) -> int:
    """What it ended with; it is ended where it has only closed its output."""
    with contextlib.suppress(TimeoutError):
        return await asyncio.wait_for(process.wait(), _GRACE_SECONDS)
    process.kill()
    return await process.wait()


def _too_slow(request: DecodeRequest) -> LimitError:
    return LimitError(
        f"the inputs could not be decoded within {request.seconds:g} s; make them smaller, or save them again"
    )
