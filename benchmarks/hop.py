"""A hop between deployments: values as they are, as the service sends them, against references to the object store.

Run with `python -m benchmarks.hop`; it starts a Ray of its own, loopback only. The values are those that a generation
with the 2048-token preset sends, and the narrow band, which the service does not send.
"""

import asyncio
import logging
import os
import pickle
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.values import Surface, zero_surface
from apg_core.presets import load_preset
from benchmarks.geometry import part_field
from benchmarks.table import Row, as_markdown
from deployments.commands import RAY_ENVIRONMENT

GRIDS = (128, 256, 512)
REPEATS, WARM_UP = 40, 5
Hop: TypeAlias = Callable[[], Awaitable[object]]


class Stage:
    """Takes a value, or gives one, and does nothing with it."""

    def take(self, value: object) -> bool:
        """Whether it is there."""
        return value is not None

    def give(self, like: Surface) -> Surface:
        """A new value of this size."""
        return Surface(like.points + 1, like.query_indices)


def rows() -> list[Row]:
    """Seconds of a call with each value: by reference, and as the service sends it."""
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    try:
        serve.start(proxy_location="Disabled")
        application = serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.1})(Stage).bind()
        handle: DeploymentHandle[Stage] = serve.run(application, logging_config={"enable_access_log": False})
        return asyncio.run(_measure(handle))
    finally:
        serve.shutdown()
        ray.shutdown()


async def _measure(handle: "DeploymentHandle[Stage]") -> list[Row]:
    preset = load_preset("autopartgen-2048")
    surface = zero_surface(preset.surface)
    latent = np.zeros((preset.num_latents, preset.dit.latent_channels), np.float32)
    features = np.zeros((preset.image_encoder.num_tokens, preset.dit.image_width), np.float32)
    measured = [
        await _compare("nothing", 0, handle),
        await _compare("latent", latent, handle),
        await _compare("features of an image", features, handle),
        await _compare("surface points", surface, handle),
    ]
    for grid in GRIDS:
        band = narrow_band(part_field, Grid(grid))
        mesh = extract_surface(band, backend="libigl")
        elsewhere, here = await _fastest(partial(_in_turn, handle, band, mesh), partial(handle.take.remote, mesh))
        measured += [
            await _compare(f"mesh, grid {grid}", mesh, handle),
            await _compare(f"narrow band, grid {grid}", band, handle),
            Row(f"surface extracted elsewhere or here, grid {grid}", elsewhere, here, "s"),
        ]
    handed_on, by_caller = await _fastest(
        lambda: handle.take.remote(handle.give.remote(surface)), partial(_by_way_of_the_caller, handle, surface)
    )
    measured.append(Row("surface points, stage to stage: handed on or by way of the caller", handed_on, by_caller, "s"))
    return measured


async def _compare(name: str, value: object, handle: "DeploymentHandle[Stage]") -> Row:
    by_reference, by_value = await _fastest(
        lambda: handle.take.remote(ray.put(value)), lambda: handle.take.remote(value)
    )
    megabytes = len(pickle.dumps(value, protocol=5)) / 1e6
    return Row(f"{name}, {megabytes:.1f} MB", by_reference, by_value, "s")


async def _in_turn(handle: "DeploymentHandle[Stage]", *values: object) -> None:
    for value in values:
        await handle.take.remote(value)


async def _by_way_of_the_caller(handle: "DeploymentHandle[Stage]", surface: Surface) -> bool:
    return await handle.take.remote(await handle.give.remote(surface))


async def _fastest(*hops: Hop) -> list[float]:
    """Seconds of each, taken in turns; the fastest tenth, because the rest measures what else the machine does."""
    seconds: list[list[float]] = [[] for _ in hops]
    for repeat in range(WARM_UP + REPEATS):
        for hop, taken in zip(hops, seconds, strict=True):
            started = time.perf_counter()
            await hop()
            if repeat >= WARM_UP:
                taken.append(time.perf_counter() - started)
    return [statistics.quantiles(taken, n=10)[0] for taken in seconds]


def main() -> int:
    """Measure, print the table; the plain way sends references, extracts elsewhere, hands on."""
    measured = rows()
    print(f"ray {ray.__version__}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    print(as_markdown(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
