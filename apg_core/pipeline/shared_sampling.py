"""Sampling for many generations at once: their trajectories share each denoising step (continuous batching).

A trajectory joins and leaves between steps, so a request never waits for another one's end. What runs on the
denoiser's device runs in one thread, so the event loop stays free.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from apg_core.diffusion.trajectories import Trajectory, TrajectoryBatch
from apg_core.errors import ApgError, DeviceMemoryError
from apg_core.pipeline.device_thread import DeviceThread
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.stages import LatentRequest, OnStep
from apg_core.protocol.arrays import LatentArray


@dataclass(eq=False)
class _Member:
    trajectory: Trajectory
    on_step: OnStep | None
    ended: asyncio.Future[None]


class SharedSampler:
    """Samples the latents of concurrent requests together; belongs to one event loop.

    At most `max_rows` network evaluations share a step (a trajectory needs one to three; one that needs more than
    `max_rows` runs alone). Requests beyond that wait in order of arrival.
    """

    def __init__(self, sampler: PartSampler, *, max_rows: int) -> None:
        self._sampler = sampler
        self._max_rows = max_rows
        self._batch = TrajectoryBatch(sampler.company)
        self._members: dict[Trajectory, _Member] = {}
        self._arrived: list[_Member] = []
        self._rows = 0
        self._door = asyncio.Lock()
        self._left = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None
        self._on_thread = DeviceThread("denoiser")

    @property
    def rows(self) -> int:
        """Network evaluations that the next step costs, of those that have joined or are about to."""
        return self._rows

    def warm_up(self, kinds: Sequence[Sequence[LatentRequest]]) -> None:
        """Sample these to their ends, one kind after the other, in the thread that will sample all others.

        It returns when that is done; an event loop would be held up.
        """
        for requests in kinds:
            self._on_thread.wait_for(self._sampler.sample_together, requests)

    async def sample(
        self,
        request: LatentRequest,
        *,
        on_step: OnStep | None = None,
    ) -> LatentArray:
        """The latent in VAE scale: what `PartSampler.sample` gives, up to rounding.

        `on_step` hears (steps taken, steps in all) on the event loop. Cancelling the awaiting task ends the trajectory
        before its next step.

        Raises:
            SamplingError: the network's output is not finite; the others go on.
            DeviceMemoryError: there is no room for it even alone; the others go on.
        """
        async with self._door:  # only the first in line holds a context in memory while it waits for room
            trajectory = await self._started(request)
            while self._rows and self._rows + trajectory.rows > self._max_rows:
                self._left.clear()
                await self._left.wait()
            member = _Member(trajectory, on_step, asyncio.get_running_loop().create_future())
            if not trajectory.done:
                self._arrived.append(member)
                self._rows += trajectory.rows
                self._keep_driving()
            else:  # `sigma_floor` is above the first noise level
                member.ended.set_result(None)
        await member.ended
        return await self._on_thread(self._sampler.latent_of, trajectory)

    async def sample_together(
        self, requests: Sequence[LatentRequest], *, on_step: OnStep | None = None
    ) -> list[LatentArray]:
        """The latent of each request; `on_step` hears of the slowest. When one fails or is cancelled, all end."""
        taken = [0] * len(requests)

        def listener(index: int) -> OnStep:
            def hear(position: int, steps: int) -> None:
                before, taken[index] = min(taken), position
                if on_step is not None and min(taken) > before:
                    on_step(min(taken), steps)

            return hear

        tasks = [
            asyncio.create_task(self.sample(request, on_step=listener(index))) for index, request in enumerate(requests)
        ]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def close(self) -> None:
        """Let the thread go; nothing may be in flight."""
        self._on_thread.close()

    async def _started(self, request: LatentRequest) -> Trajectory:
        """The request's trajectory, once the device has room for what it is conditioned on."""
        while True:
            try:
                return await self._on_thread(self._sampler.trajectory, request)
            except torch.OutOfMemoryError as error:
                if not self._rows:
                    message = "the device has no room for one trajectory; set low_memory, or take a smaller preset"
                    raise DeviceMemoryError(message) from error
            torch.cuda.empty_cache()
            self._left.clear()
            await self._left.wait()

    def _keep_driving(self) -> None:
        if self._driver is None and self._rows:
            self._driver = asyncio.create_task(self._drive())
            self._driver.add_done_callback(self._driver_ended)

    async def _drive(self) -> None:
        while self._rows:
            self._take_in()
            self._leave_cancelled()
            if self._members:
                ended = await self._on_thread(self._batch.step)
                self._tell(ended)

    def _take_in(self) -> None:
        for member in self._arrived:
            self._members[member.trajectory] = member
            self._batch.join(member.trajectory)
        self._arrived.clear()

    def _leave_cancelled(self) -> None:
        for trajectory, member in list(self._members.items()):
            if member.ended.cancelled():
                self._batch.leave(trajectory)
                self._forget(trajectory)

    def _tell(self, ended: dict[Trajectory, ApgError | None]) -> None:
        for trajectory, member in list(self._members.items()):
            error = ended.get(trajectory)
            if member.on_step is not None and error is None and not member.ended.done():
                member.on_step(trajectory.position, trajectory.steps)
            if trajectory in ended:
                self._forget(trajectory)
                _settle(member.ended, error)

    def _forget(self, trajectory: Trajectory) -> None:
        del self._members[trajectory]
        self._rows -= trajectory.rows
        self._left.set()

    def _driver_ended(self, driver: asyncio.Task[None]) -> None:
        """A fault in a step ends all that shared it; later requests start afresh."""
        self._driver = None
        error = asyncio.CancelledError() if driver.cancelled() else driver.exception()
        if error is not None:
            for trajectory, member in list(self._members.items()):
                self._forget(trajectory)
                _settle(member.ended, error)
            self._batch = TrajectoryBatch(self._sampler.company)
        self._keep_driving()


def _settle(ended: asyncio.Future[None], error: BaseException | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
