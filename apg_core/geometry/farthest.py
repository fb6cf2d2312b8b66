"""Exact farthest points. The loop is in `farthest.wat`, WebAssembly: compiled at its first use, with no compiler here.

That keeps to IEEE float32, without fused operations, so that every machine finds the same points.
"""

from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float, Int
from wasmtime import Engine, Func, Instance, Memory, Module, Store

# The release's tree depths, and where it changes from one to the other.
_SHALLOW_TREE, _DEEP_TREE, _DEEP_FROM = 5, 7, 25_000
_BYTES_OF_A_POINT, _BYTES_OF_A_BUCKET, _PAGE = 20, 40, 65_536


def farthest_points(xyz: Float[np.ndarray, "P 3"], count: int, *, start_idx: int) -> Int[np.ndarray, " N"]:
    """The `count` points of which each is the farthest from all before it, in that order.

    `start_idx` is the first one's place in the tree's own order of the points, not its index.

    Raises:
        ValueError: there are fewer points than `count`, or no point at `start_idx`.
    """
    points = len(xyz)
    if not (1 <= count <= points and 0 <= start_idx < points):
        raise ValueError(f"cannot take {count} of {points} points from place {start_idx} on")
    height = _SHALLOW_TREE if points <= _DEEP_FROM else _DEEP_TREE
    taken = points * _BYTES_OF_A_POINT + 2**height * _BYTES_OF_A_BUCKET
    engine, module = _compiled()
    store = Store(engine)
    exports = Instance(store, module, []).exports(store)
    memory, farthest = exports["memory"], exports["farthest"]
    assert isinstance(memory, Memory)
    assert isinstance(farthest, Func)
    memory.grow(store, (taken + 4 * count) // _PAGE + 1)
    memory.write(store, np.ascontiguousarray(xyz.T, "<f4").tobytes())
    farthest(store, points, count, start_idx, height, taken)
    return np.frombuffer(memory.read(store, taken, taken + 4 * count), "<i4").astype(np.int64)


@cache
def _compiled() -> tuple[Engine, Module]:
    engine = Engine()
    return engine, Module(engine, files("apg_core.geometry").joinpath("farthest.wat").read_text())
