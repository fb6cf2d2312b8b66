"""The noise schedule: levels of training, and the solvers that step over them.

The published settings are DPM-Solver++ (SDE, second order), in `dpm_solver`. The release accepts six more of diffusers' schedulers
by their class names; each reads some of the same keys, and a value that a class cannot honour is refused.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from apg_core.diffusion.dpm_solver import DpmSolver

SolverName = Literal[
    "DPMSolverMultistepScheduler",
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "UniPCMultistepScheduler",
]

_SHARED_KEYS = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "prediction_type",
    "timestep_spacing",
)
_OWN_KEYS: dict[SolverName, tuple[str, ...]] = {
    "DPMSolverMultistepScheduler": ("rescale_betas_zero_snr", "algorithm_type", "solver_order"),
    "DDPMScheduler": ("rescale_betas_zero_snr", "variance_type", "clip_sample"),
    "DDIMScheduler": ("rescale_betas_zero_snr", "clip_sample"),
    "PNDMScheduler": (),
    "EulerDiscreteScheduler": ("rescale_betas_zero_snr",),
    "EulerAncestralDiscreteScheduler": ("rescale_betas_zero_snr",),
    "UniPCMultistepScheduler": ("rescale_betas_zero_snr", "solver_order"),
}
# A class that does not have the key does what this value says; the names of variants mean nothing to other classes.
_WITHOUT_THE_KEY = {
    "rescale_betas_zero_snr": False,
    "clip_sample": False,
    "variance_type": "fixed_small",
    "shift": 0.0,  # of flow matching, for which no published network was trained
}
_VARIANTS = ("algorithm_type", "solver_order")


class Solved(Protocol):
    """What a solver's step gives."""

    prev_sample: Tensor


class _Scheduler(Protocol):
    """What diffusers' schedulers and ours have in common."""

    config: Mapping[str, object]
    timesteps: Tensor
    alphas_cumprod: Tensor
    init_noise_sigma: float | Tensor

    def set_timesteps(self, steps: int) -> None: ...

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...

    def step(self, velocity: Tensor, timestep: Tensor, sample: Tensor, **noise: torch.Generator) -> Solved: ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Noise levels of training; sampling spaces its steps over them (docs/how-it-works.md, "Schedule").

    The keys are those of the `scheduler` section of a published config file, with the published values.

    Raises:
        ValueError: the class cannot honour one of the values.
    """

    class_name: SolverName = "DPMSolverMultistepScheduler"
    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    prediction_type: Literal["v_prediction", "epsilon", "sample"] = "v_prediction"
    rescale_betas_zero_snr: bool = True
    timestep_spacing: Literal["trailing", "leading", "linspace"] = "trailing"
    algorithm_type: Literal["sde-dpmsolver++", "dpmsolver++"] = "sde-dpmsolver++"
    solver_order: Literal[1, 2] = 2
    variance_type: Literal["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"] = "fixed_small"
    clip_sample: bool = False
    shift: float = 0.0
    num_inference_timesteps: int | None = None
    """Steps of a generation that names no number itself."""

    def __post_init__(self) -> None:
        for key, otherwise in _WITHOUT_THE_KEY.items():
            if getattr(self, key) != otherwise and key not in _OWN_KEYS[self.class_name]:
                fix = f"set it to {str(otherwise).lower()}, or take another class"
                raise ValueError(f"{key} {getattr(self, key)} cannot be honoured by {self.class_name}; {fix}")
        if self.class_name == "PNDMScheduler" and self.prediction_type == "sample":
            raise ValueError("prediction_type sample cannot be honoured by PNDMScheduler; it takes the other two")

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the settings that this class reads."""
        return _SHARED_KEYS + _OWN_KEYS[self.class_name]

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the settings that only choose a variant of another class."""
        return tuple(key for key in _VARIANTS if key not in self.keys)

    def solver(self, steps: int) -> "Solver":
        """A solver of its own state, set to this many steps; it computes in fp32."""
        keys = {key: getattr(self, key) for key in self.keys}
        if self.class_name == "DPMSolverMultistepScheduler":
            return Solver(DpmSolver(**keys), steps)
        import diffusers  # it takes seconds

        return Solver(getattr(diffusers, self.class_name)(**keys), steps)


class Solver:
    """The steps of one trajectory over a scheduler, diffusers' or ours, whatever that one calls and scales.

    PNDM takes more evaluations than steps: `timesteps` has one entry for each evaluation.
    """

    def __init__(self, scheduler: _Scheduler, steps: int) -> None:
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
