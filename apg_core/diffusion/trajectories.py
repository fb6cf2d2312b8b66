"""Trajectories from noise to latents, and the batch in which many share each forward pass.

A trajectory owns its solver state, its noise and its guidance, so it gives the same latent alone and in company
(`company` says how exactly); it joins and leaves a batch between steps.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from apg_core.diffusion.company import Company
from apg_core.diffusion.guidance import GuidedInput
from apg_core.diffusion.schedule import Schedule
from apg_core.errors import ApgError, DeviceMemoryError, SamplingError
from apg_core.models.part_dit import DitContext, PartDit
from apg_core.shapes import Latents

log = logging.getLogger(__name__)

FORESEEN_TWICE = 2
"""Steps in a row that must foresee the end of the object before a trajectory is ended early."""
StepCallback = Callable[[int, int], None]


class Trajectory:
    """One latent on its way from noise.

    The first latent and the noise of the steps come from two generators with the same seed, in fp32, on the sampling
    device, as in the released pipeline, or on `noise_device`: another kind of device draws other numbers.
    Where two steps in a row foresee a latent whose mean magnitude (in the denoiser's scale) is less than `end_below`,
    it ends there.
    """

    @torch.inference_mode()
    def __init__(
        self,
        denoiser: PartDit,
        guided: GuidedInput,
        *,
        schedule: Schedule,
        steps: int,
        seed: int,
        sigma_floor: float = 0.0,
        end_below: float | None = None,
        noise_device: torch.device | None = None,
    ) -> None:
        device = guided.images.device
        drawn_on = noise_device or device
        context = DitContext(
            denoiser.image_context(guided.images), *denoiser.geometry_context(guided.geometries, guided.sigma)
        )
        self.context = context.take([row.image for row in guided.rows], [row.geometry for row in guided.rows])
        self.weights = torch.tensor([row.weight for row in guided.rows], dtype=torch.float32, device=device)
        self.position = 0
        self._solver = schedule.solver(steps)
        self.steps = len(self._solver.timesteps)
        self._sigma_floor = sigma_floor
        self._end_below = end_below
        self._ends_foreseen = 0
        self._step_noise = torch.Generator(drawn_on).manual_seed(seed)
        first_noise = torch.Generator(drawn_on).manual_seed(seed)
        shape = (1, *guided.geometries.shape[-2:])
        self.latents: Latents = self._solver.start(
            torch.randn(shape, generator=first_noise, device=drawn_on).to(device)
        )

    @property
    def rows(self) -> int:
        """Network evaluations that one step costs."""
        return len(self.weights)

    @property
    def shape_key(self) -> tuple[int, ...]:
        """Trajectories that have this in common can share a forward pass."""
        image, geometry = self.context.image[0][0], self.context.geometry[0][0]
        return (self.latents.shape[1], image.shape[2], geometry.shape[2])

    @property
    def timestep(self) -> float:
        """The training timestep that the next step denoises at; a whole number but for Euler's "linspace"."""
        return self._solver.timesteps[self.position].item()

    @property
    def noisy(self) -> Latents:
        """What the network denoises next: the state, in the network's scale."""
        return self._solver.network_input(self.latents, self._solver.timesteps[self.position])

    @property
    def done(self) -> bool:
        """Whether all steps are taken, the noise level has reached `sigma_floor`, or the end is foreseen."""
        if self.position >= self.steps or self._ends_foreseen == FORESEEN_TWICE:
            return True
        return self._sigma_floor > 0 and float(self._solver.sigmas[self.position]) <= self._sigma_floor

    @torch.inference_mode()
    def take_step(self, velocities: Float[Tensor, "R N C"]) -> None:
        """Move on by the guided mix of this trajectory's rows.

        Raises:
            SamplingError: at the last step, the latent is not finite. (What once is not stays so, and to look at each
                step would make a GPU wait.)
        """
        velocity = torch.einsum("r,rnc->nc", self.weights, velocities.float())[None]
        timestep = self._solver.timesteps[self.position]
        foreseen = self._solver.foreseen(velocity, timestep, self.noisy) if self._end_below is not None else None
        stepped = self._solver.step(velocity, timestep, self.latents, generator=self._step_noise)
        self.latents = stepped.prev_sample
        self.position += 1
        if foreseen is not None:
            self._look_ahead(foreseen)
        if self.done and not torch.isfinite(self.latents).all():
            raise SamplingError(
                f"the denoiser gave NaN or infinity within {self.position} steps; "
                "lower the guidance scales, or try fp32 weights"
            )

    def _look_ahead(self, foreseen: Latents) -> None:
        """End here where this step and the one before it foresee nearly nothing; the latent is what they foresee."""
        assert self._end_below is not None
        self._ends_foreseen = self._ends_foreseen + 1 if float(foreseen.abs().mean()) < self._end_below else 0
        if self._ends_foreseen == FORESEEN_TWICE:
            self.latents = foreseen


@dataclass(eq=False)
class _Group:
    """Trajectories that share a pass."""

    members: list[Trajectory]
    context: DitContext | None = None
    """Theirs joined, once it was needed."""

    @property
    def rows(self) -> int:
        return sum(member.rows for member in self.members)

    def stepped(self, velocities: Sequence[Float[Tensor, "_ N C"]]) -> dict[Trajectory, ApgError | None]:
        """Those that ended with this step, with their error if there was one."""
        ended: dict[Trajectory, ApgError | None] = {}
        for member, velocity in zip(self.members, velocities, strict=True):
            try:
                member.take_step(velocity)
            except SamplingError as error:
                ended[member] = error
            else:
                if member.done:
                    ended[member] = None
        return ended


class TrajectoryBatch:
    """Trajectories that advance together; those of one shape share a forward pass.

    The joined context is kept until the membership changes, so a step in company costs no copying. Where the device has
    no room for all rows at once, fewer share a pass from then on, down to one.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._rows_at_once: int | None = None
        self._members: list[Trajectory] = []
        self._groups: list[_Group] | None = None

    @property
    def rows(self) -> int:
        """Network evaluations that the next step costs."""
        return sum(member.rows for member in self._members)

    def join(self, trajectory: Trajectory) -> None:
        """Take part from the next step on."""
        self._members.append(trajectory)
        self._groups = None

    def leave(self, trajectory: Trajectory) -> None:
        """Take part no longer."""
        self._members.remove(trajectory)
        self._groups = None

    def step(self) -> dict[Trajectory, ApgError | None]:
        """One step for every member; those that ended leave, with the error that ended them if there was one."""
        ended: dict[Trajectory, ApgError | None] = {}
        groups = list(self._grouped())
        while groups:
            group = groups.pop(0)
            velocities = self._tried(group)
            if velocities is not None:
                ended |= group.stepped(velocities)
            elif self._fewer_rows(group):
                groups = self._grouping([group, *groups])
            else:
                ended[group.members[0]] = _too_large(group.members[0])
        for member in ended:
            self.leave(member)
        return ended

    def _grouped(self) -> list["_Group"]:
        if self._groups is None:
            self._groups = self._grouping([_Group([member]) for member in self._members])
        return self._groups

    def _grouping(self, groups: Sequence["_Group"]) -> list["_Group"]:
        """Their members anew: those of one shape together, as far as their rows may share a pass."""
        by_shape: dict[tuple[int, ...], list[_Group]] = {}
        members = [member for group in groups for member in group.members]
        for member in sorted(members, key=lambda member: member.rows):  # fewer kinds of company
            same = by_shape.setdefault(member.shape_key, [_Group([])])
            full = self._rows_at_once is not None and same[-1].rows + member.rows > self._rows_at_once
            if same[-1].members and full:
                same.append(_Group([]))
            same[-1].members.append(member)
        return [group for same in by_shape.values() for group in same]

    def _tried(self, group: "_Group") -> Sequence[Float[Tensor, "_ N C"]] | None:
        """The velocities of a group; None where the device has no room for them."""
        try:
            if group.context is None:
                group.context = DitContext.joined([member.context for member in group.members])
            return self._company.velocities(group.members, group.context, rows_at_once=self._rows_at_once)
        except torch.OutOfMemoryError:
            self._groups = group.context = None
        torch.cuda.empty_cache()  # outside the handler, which holds on to what filled the memory
        return None

    def _fewer_rows(self, group: "_Group") -> bool:
        """Let fewer rows share a pass from now on, if that is possible."""
        rows = min(group.rows, self._rows_at_once or group.rows)
        if rows == 1:
            return False
        self._rows_at_once = rows // 2
        log.warning("out of memory: fewer rows share a step", extra={"rows": self._rows_at_once})
        return True


def _too_large(trajectory: Trajectory) -> DeviceMemoryError:
    tokens = trajectory.latents.shape[1]
    return DeviceMemoryError(
        f"the device has no room for one row of {tokens} latent tokens; set low_memory, let fewer jobs share the "
        "sampler (models.sampler_rows), or take a smaller preset"
    )


def run(
    company: Company,
    trajectory: Trajectory,
    *,
    on_step: StepCallback | None = None,
) -> Latents:
    """The latent at the trajectory's end, in the denoiser's scale; see `run_together`."""
    run_together(company, [trajectory], on_step=on_step)
    return trajectory.latents


def run_together(
    company: Company,
    trajectories: Sequence[Trajectory],
    *,
    on_step: StepCallback | None = None,
) -> None:
    """Take all trajectories to their ends, in steps that they share.

    `on_step` hears (steps taken, steps in all) of the slowest.

    Raises:
        SamplingError: the network's output is not finite.
        DeviceMemoryError: there is no room for one row.
    """
    batch = TrajectoryBatch(company)
    for trajectory in trajectories:
        if not trajectory.done:
            batch.join(trajectory)
    slowest = min(trajectories, key=lambda trajectory: trajectory.position - trajectory.steps)
    while batch.rows:
        for error in batch.step().values():
            if error is not None:
                raise error
        if on_step is not None:
            on_step(slowest.position, slowest.steps)
