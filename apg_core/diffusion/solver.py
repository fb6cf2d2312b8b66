"""A schedule's solver: DPM-Solver++ of our own, or one of diffusers' schedulers, as what steps one trajectory."""

import inspect
from collections.abc import Mapping
from typing import Protocol, cast

import torch
from torch import Tensor

from apg_core.diffusion.dpm_solver import DpmSettings, DpmSolver
from apg_core.diffusion.schedule import Schedule


class Solved(Protocol):
    """What a solver's step gives."""

    prev_sample: Tensor


class Scheduler(Protocol):
    """What diffusers' schedulers and ours have in common."""

    config: Mapping[str, object]
    timesteps: Tensor
    alphas_cumprod: Tensor
    init_noise_sigma: float | Tensor

    def set_timesteps(self, steps: int) -> None: ...

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...

    def step(self, velocity: Tensor, timestep: Tensor, sample: Tensor, **noise: torch.Generator) -> Solved: ...


def scheduler_of(schedule: Schedule) -> Scheduler:
    """The scheduler that these settings name."""
    if schedule.class_name == "DPMSolverMultistepScheduler":
        return cast("Scheduler", DpmSolver(DpmSettings(**schedule.settings)))
    import diffusers  # it takes seconds

    scheduler: Scheduler = getattr(diffusers, schedule.class_name)(**schedule.settings)
    return scheduler


class Solver:
    """The steps of one trajectory over a scheduler, diffusers' or ours, whatever that one calls and scales.

    PNDM takes more evaluations than steps: `timesteps` has one entry for each evaluation.
    """

    def __init__(self, scheduler: Scheduler, steps: int) -> None:
        scheduler.set_timesteps(steps)
        self._scheduler = scheduler
        self._takes_noise = "generator" in inspect.signature(scheduler.step).parameters
        self.timesteps: Tensor = scheduler.timesteps
        self.alphas_cumprod: Tensor = scheduler.alphas_cumprod
        self.sigmas: Tensor = scheduler.sigmas if hasattr(scheduler, "sigmas") else self._sigmas()

    def start(self, noise: Tensor) -> Tensor:
        """The first state, from noise of variance one."""
        return noise * self._scheduler.init_noise_sigma

    def network_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """What the network sees of a state: Euler's states grow with the noise, the network's input does not."""
        return self._scheduler.scale_model_input(sample, timestep)

    def step(self, velocity: Tensor, timestep: Tensor, sample: Tensor, *, generator: torch.Generator) -> Solved:
        """The state at the next noise level; the solver keeps what the following steps need."""
        noise = {"generator": generator} if self._takes_noise else {}
        return self._scheduler.step(velocity, timestep, sample, **noise)

    def foreseen(self, prediction: Tensor, timestep: Tensor, network_input: Tensor) -> Tensor:
        """The latent without noise that the network's prediction at a state amounts to."""
        alpha = self.alphas_cumprod[round(timestep.item())]
        signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
        match self._scheduler.config["prediction_type"]:
            case "v_prediction":
                return signal * network_input - noise * prediction
            case "epsilon":
                return (network_input - noise * prediction) / signal
            case _:
                return prediction

    def _sigmas(self) -> Tensor:
        alphas = self.alphas_cumprod[self.timesteps.clamp(min=0)]
        return ((1 - alphas) / alphas).sqrt()
