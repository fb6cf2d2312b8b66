"""The noise schedule: levels of training, and which solver steps over them.

The published settings are DPM-Solver++ (SDE, second order). The release accepts six more of diffusers' schedulers by
their class names; each reads some of the same keys, and a value that a class cannot honour is refused.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from apg_core.diffusion.solver import Solver

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
    def settings(self) -> dict[str, Any]:
        """The settings that this class reads, by name."""
        return {key: getattr(self, key) for key in self.keys}

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the settings that only choose a variant of another class."""
        return tuple(key for key in _VARIANTS if key not in self.keys)

    def solver(self, steps: int) -> "Solver":
        """A solver of its own state, set to this many steps; it computes in fp32."""
        from apg_core.diffusion.solver import Solver, scheduler_of  # torch: whoever reads a preset needs none

        return Solver(scheduler_of(self), steps)
