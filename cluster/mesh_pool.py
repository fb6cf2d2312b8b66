"""The geometry of many generations on CPU actors, so that a GPU need not wait for meshes."""

import asyncio
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from apg_core.geometry.values import SurfaceSampling
from apg_core.pipeline.meshing import MeshWorker
from cluster.work import CrashedError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
TRIES = 4  # at a call whose actor died: nodes go away, but a mesh that kills its actor must not do so for ever
PATIENCE_SECONDS, DELAY_SECONDS = 300.0, 1.0  # until a lost node is noticed and its actor is somewhere else


class MeshPool:
    """Some `MeshWorker` actors; each call takes one that is free, in order of arrival."""

    def __init__(self, sampling: SurfaceSampling, *, workers: int, cpus_each: float) -> None:
        actor = ray.remote(MeshWorker).options(num_cpus=cpus_each, max_restarts=-1, scheduling_strategy="SPREAD")
        self._idle: asyncio.Queue[ActorHandle[MeshWorker]] = asyncio.Queue()
        for _ in range(workers):
            self._idle.put_nowait(actor.remote(sampling))  # type: ignore[arg-type]  # Ray's types add the class itself

    async def call(
        self,
        method: Callable[Concatenate[MeshWorker, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """What a method of `MeshWorker` gives, computed by one of the actors.

        A try counts against an actor that answers: while nobody has noticed that a node is gone, calls of its actors
        fail at once, and no mesh is to blame.

        Raises:
            CrashedError: the actor died at each of a few tries.
        """
        worker = await self._idle.get()
        try:
            for left in reversed(range(TRIES)):
                try:
                    result: Result = await getattr(worker, method.__name__).remote(*arguments, **named)
                except RayActorError as error:
                    if left == 0 or not await _answers(worker):
                        raise CrashedError(
                            f"geometry's process died {TRIES - left} times over {method.__name__}"
                        ) from error
                else:
                    return result
        finally:
            self._idle.put_nowait(worker)
        raise AssertionError("unreachable: the last try returns or raises")


async def _answers(worker: "ActorHandle[MeshWorker]") -> bool:
    """Whether the actor is there again within `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            await worker.__ray_ready__.remote()
        except RayActorError:
            await asyncio.sleep(DELAY_SECONDS)
        else:
            return True
    return False
