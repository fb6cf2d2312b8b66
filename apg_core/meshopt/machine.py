"""Runs one call of meshoptimizer's WebAssembly in a memory of its own, within a bound of memory and of work."""

from functools import cache
from importlib.resources import files
from typing import Literal

from wasmtime import Config, Engine, Func, Instance, Memory, Module, Store, Trap, WasmtimeError

_PAGE = 65_536
_SPARE_BYTES = 4 * _PAGE  # what the module itself keeps
_FUEL_A_BYTE = 400  # instructions; decoding took at most 51 a byte of both sides, filter and all
_SPARE_FUEL = 10_000_000
_NO_END = 2**63 - 1  # what is encoded is our own

Half = Literal["decoder", "encoder"]


class Machine:
    """Memory for `room` bytes, and for decoding work in proportion to them; more of either is a ValueError."""

    def __init__(self, half: Half, *, room: int) -> None:
        engine, module = _compiled(half)
        self._store = Store(engine)
        self._store.set_limits(memory_size=_pages(room) * _PAGE + _SPARE_BYTES)
        self._store.set_fuel(room * _FUEL_A_BYTE + _SPARE_FUEL if half == "decoder" else _NO_END)
        self._exports = Instance(self._store, module, []).exports(self._store)
        memory = self._exports["memory"]
        assert isinstance(memory, Memory)
        self._memory = memory
        self.call("__wasm_call_ctors")

    def call(self, name: str, *arguments: int) -> int:
        """What the function returns; 0 where it returns nothing.

        Raises:
            ValueError: it left its memory, or needs more work than its bound.
        """
        function = self._exports[name]
        assert isinstance(function, Func)
        try:
            return function(self._store, *arguments) or 0
        except (Trap, WasmtimeError) as error:
            raise ValueError(f"{name} was stopped") from error

    def take(self, size: int) -> int:
        """The address of `size` more bytes.

        Raises:
            ValueError: there is no room for them.
        """
        address = self.call("sbrk", size)
        if address < 0:
            raise ValueError(f"no room for {size:,} bytes")
        return address

    def put(self, data: bytes) -> int:
        """The address of a copy of these bytes."""
        address = self.take(len(data))
        self._memory.write(self._store, data, address)
        return address

    def bytes_at(self, address: int, size: int) -> bytes:
        """A copy of what lies there."""
        return bytes(self._memory.read(self._store, address, address + size))


def _pages(size: int) -> int:
    return -(-size // _PAGE)


@cache
def _compiled(half: Half) -> tuple[Engine, Module]:
    config = Config()
    config.consume_fuel = True
    # By default every memory takes gigabytes of addresses, which a decoder's process may not have.
    config.memory_reservation = 0
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    engine = Engine(config)
    return engine, Module(engine, files("apg_core.meshopt").joinpath(f"{half}.wasm").read_bytes())
