"""The noise schedule: diffusers' DPM-Solver++ (SDE, second order) with the published settings."""

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor


class Solved(Protocol):
    """What a solver's step gives."""

    prev_sample: Tensor


class Solver(Protocol):
    """The part of diffusers' scheduler that a trajectory uses; it keeps the state of one trajectory."""

    timesteps: Tensor
    sigmas: Tensor
    alphas_cumprod: Tensor

    def set_timesteps(self, steps: int) -> None:
        """Space this many steps over the schedule."""
        ...

    def step(self, velocity: Tensor, timestep: Tensor, sample: Tensor, *, generator: torch.Generator) -> Solved:
        """The sample at the next noise level."""
        ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Noise levels of training; sampling spaces its steps over them (docs/how-it-works.md, "Schedule")."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    prediction_type: str = "v_prediction"
    rescale_betas_zero_snr: bool = True
    timestep_spacing: str = "trailing"
    algorithm_type: str = "sde-dpmsolver++"
    solver_order: int = 2

    def solver(self, steps: int) -> Solver:
        """A solver of its own state, set to this many steps; it computes in fp32."""
        # Imported here: it takes seconds, and whoever reads a preset needs the numbers only.
        from diffusers import DPMSolverMultistepScheduler

        scheduler = DPMSolverMultistepScheduler(  # type: ignore[no-untyped-call]
            num_train_timesteps=self.num_train_timesteps,
            beta_start=self.beta_start,
            beta_end=self.beta_end,
            beta_schedule=self.beta_schedule,
            prediction_type=self.prediction_type,
            rescale_betas_zero_snr=self.rescale_betas_zero_snr,
            timestep_spacing=self.timestep_spacing,
            algorithm_type=self.algorithm_type,
            solver_order=self.solver_order,
        )
        solver = cast(Solver, scheduler)
        solver.set_timesteps(steps)
        return solver
