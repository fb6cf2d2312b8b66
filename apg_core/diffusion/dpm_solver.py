"""DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095), the solver of the published settings, deterministic and SDE.

The numbers are to the bit those of diffusers' `DPMSolverMultistepScheduler` with the same keys: the tests compare
them. It stands here because importing diffusers costs every process 2.7 processor seconds (most of them for
torch._dynamo), more than it spends sampling a small object.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

LOWER_ORDER_BELOW = 15
"""With fewer steps than this, the last but one is of second order at most; the last always is of first order."""
_NO_SIGNAL = 2**-24  # in place of zero, so that the first noise level is finite
_COSINE_SHIFT, _MOST_BETA = 0.008, 0.999


@dataclass(frozen=True)
class _Step:
    """x' = keep x + jump m + half inverse (m - m_before) + noise e, where m is the latent that is foreseen."""

    alpha: float
    sigma: float
    keep: float
    jump: float
    half: float
    inverse: float
    noise: float


@dataclass(frozen=True)
class Stepped:
    """What a step gives."""

    prev_sample: Tensor


@dataclass(frozen=True, kw_only=True)
class DpmSettings:
    """The keys of diffusers' class that the solver reads."""

    num_train_timesteps: int
    beta_start: float
    beta_end: float
    beta_schedule: str
    prediction_type: str
    timestep_spacing: str
    rescale_betas_zero_snr: bool
    algorithm_type: str
    solver_order: int


class DpmSolver:
    """One trajectory's solver, with the interface of diffusers' class."""

    init_noise_sigma = 1.0

    def __init__(self, settings: DpmSettings) -> None:
        self.config: Mapping[str, object] = {"prediction_type": settings.prediction_type}
        self.alphas_cumprod = _signal(
            settings.num_train_timesteps,
            (settings.beta_start, settings.beta_end),
            settings.beta_schedule,
            zero_snr=settings.rescale_betas_zero_snr,
        )
        self._settings = settings
        self._stochastic = settings.algorithm_type.startswith("sde")
        self.timesteps = torch.arange(0)
        self.sigmas = torch.zeros(0)
        self._steps: tuple[_Step, ...] = ()
        self._position = 0
        self._before: Tensor | None = None

    def set_timesteps(self, steps: int) -> None:
        """Begin anew, with this many steps."""
        timesteps = _spaced(self._settings.timestep_spacing, len(self.alphas_cumprod), steps)
        levels = (((1 - self.alphas_cumprod) / self.alphas_cumprod) ** 0.5).numpy()
        spaced = np.interp(timesteps, np.arange(len(levels)), levels)
        self.timesteps = torch.from_numpy(timesteps)
        self.sigmas = torch.from_numpy(np.concatenate([spaced, [0]]).astype(np.float32))
        self._steps = _steps(tuple(self.sigmas.tolist()), self._stochastic)
        self._position, self._before = 0, None

    def scale_model_input(self, sample: Tensor, _timestep: Tensor) -> Tensor:
        """The state itself."""
        return sample

    def step(
        self, velocity: Tensor, _timestep: Tensor, sample: Tensor, *, generator: torch.Generator | None = None
    ) -> Stepped:
        """The state at the next noise level."""
        step = self._steps[self._position]
        foreseen = self._foreseen(velocity, sample, step)
        stepped = step.keep * sample + step.jump * foreseen
        if self._before is not None and self._settings.solver_order > 1 and self._position < len(self._steps) - 1:
            stepped = stepped + step.half * (step.inverse * (foreseen - self._before))
        if self._stochastic:
            drawn_on = sample.device if generator is None else generator.device
            noise = torch.randn(sample.shape, generator=generator, device=drawn_on, dtype=torch.float32)
            stepped = stepped + step.noise * noise.to(sample.device)
        self._before = foreseen
        self._position += 1
        return Stepped(stepped)

    def _foreseen(self, prediction: Tensor, sample: Tensor, step: _Step) -> Tensor:
        match self._settings.prediction_type:
            case "v_prediction":
                return step.alpha * sample - step.sigma * prediction
            case "epsilon":
                return (sample - step.sigma * prediction) / step.alpha
            case _:
                return prediction


@lru_cache(maxsize=8)
def _signal(count: int, ends: tuple[float, float], schedule: str, *, zero_snr: bool) -> Tensor:
    """Share of the signal that is left at each training timestep (the cumulative product of alphas)."""
    if schedule == "linear":
        betas = torch.linspace(*ends, count)
    elif schedule == "scaled_linear":
        betas = torch.linspace(ends[0] ** 0.5, ends[1] ** 0.5, count) ** 2
    else:
        left = [
            math.cos((place / count + _COSINE_SHIFT) / (1 + _COSINE_SHIFT) * math.pi / 2) ** 2
            for place in range(count + 1)
        ]
        betas = torch.tensor([min(1 - after / before, _MOST_BETA) for before, after in pairwise(left)])
    alphas_cumprod = torch.cumprod(1.0 - (_without_signal(betas) if zero_snr else betas), dim=0)
    if zero_snr:
        alphas_cumprod[-1] = _NO_SIGNAL
    return alphas_cumprod


def _without_signal(betas: Tensor) -> Tensor:
    """Betas that leave no signal at the last timestep (Lin et al. 2023, arXiv 2305.08891, algorithm 1)."""
    root = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    squared = ((root - last) * (first / (first - last))) ** 2
    return 1 - torch.cat([squared[:1], squared[1:] / squared[:-1]])


def _spaced(spacing: str, count: int, steps: int) -> np.ndarray:
    """Training timesteps of the steps, falling (table 2 of the same paper)."""
    if spacing == "linspace":
        return np.linspace(0, count - 1, steps + 1).round()[::-1][:-1].astype(np.int64)
    if spacing == "leading":
        return (np.arange(steps + 1) * (count // (steps + 1)))[::-1][:-1].astype(np.int64)
    return np.arange(count, 0, -count / steps).round().astype(np.int64) - 1


@lru_cache(maxsize=32)
def _steps(sigmas: tuple[float, ...], stochastic: bool) -> tuple[_Step, ...]:
    """The factors of each step, in single precision as the states are."""
    sigma = torch.tensor(sigmas)
    alphas = [1 / ((level**2 + 1) ** 0.5) for level in sigma]
    noises = [level * alpha for level, alpha in zip(sigma, alphas, strict=True)]
    logs = [torch.log(alpha) - torch.log(noise) for alpha, noise in zip(alphas, noises, strict=True)]
    steps = []
    for here in range(len(sigmas) - 1):
        width = logs[here + 1] - logs[here]
        ratio = (logs[here] - logs[here - 1]) / width if here > 0 else torch.ones(())
        keep, fade = noises[here + 1] / noises[here], torch.zeros(())
        jump = -(alphas[here + 1] * (torch.exp(-width) - 1.0))
        if stochastic:
            keep = keep * torch.exp(-width)
            jump = alphas[here + 1] * (1 - torch.exp(-2.0 * width))
            fade = noises[here + 1] * torch.sqrt(1.0 - torch.exp(-2 * width))
        numbers = (alphas[here], noises[here], keep, jump, 0.5 * jump, 1.0 / ratio, fade)
        steps.append(_Step(*(number.item() for number in numbers)))
    return tuple(steps)
