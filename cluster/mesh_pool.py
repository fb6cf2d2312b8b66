"""The geometry of many generations on CPU actors, so that a GPU need not wait for meshes."""

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from apg_core.geometry.surface import SurfaceSampling
from apg_core.pipeline.meshing import MeshWorker
from cluster.work import CrashedError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
RETRIES = 3  # of a call whose actor died: nodes go away, but a mesh that kills its actor must not do so for ever


class MeshPool:
    """Some `MeshWorker` actors; each call takes one that is free, in order of arrival."""

    def __init__(self, sampling: SurfaceSampling, *, workers: int, cpus_each: float) -> None:
        actor = ray.remote(MeshWorker).options(
            num_cpus=cpus_each, max_restarts=-1, max_task_retries=RETRIES, scheduling_strategy="SPREAD"
        )
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

        Raises:
            CrashedError: the actor died at each of a few tries.
        """
        worker = await self._idle.get()
        try:
            result: Result = await getattr(worker, method.__name__).remote(*arguments, **named)
        except RayActorError as error:
            raise CrashedError(f"geometry's process died {RETRIES + 1} times over {method.__name__}") from error
        finally:
            self._idle.put_nowait(worker)
        return result
