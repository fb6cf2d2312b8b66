"""Each scheduler that a config file may name is diffusers' own, ends where it should, refuses what it cannot do."""

import dataclasses
from typing import get_args

import diffusers
import pytest
import torch
from torch import Tensor

from apg_core.diffusion.schedule import Schedule, SolverName
from apg_core.diffusion.solver import Solver

POINT = torch.linspace(-1.5, 1.5, 7)[None, :, None]
CLASSES: list[SolverName] = list(get_args(SolverName))


def schedule_of(name: SolverName) -> Schedule:
    """The published settings with another class; PNDM starts with a little signal left."""
    return Schedule(class_name=name, rescale_betas_zero_snr=name != "PNDMScheduler")


def velocity_to(point: Tensor, noisy: Tensor, timestep: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """The exact v-prediction where the data is one point."""
    place = float(timestep)
    low = int(place)
    high = min(low + 1, len(alphas_cumprod) - 1)
    squared = torch.lerp(alphas_cumprod[low], alphas_cumprod[high], place - low)
    alpha, sigma = squared.sqrt(), (1 - squared).sqrt()
    return alpha * (noisy - alpha * point) / sigma - sigma * point


def sampled(solver: Solver) -> Tensor:
    first, later = (torch.Generator().manual_seed(3) for _ in range(2))
    state = solver.start(torch.randn(1, 7, 1, generator=first))
    for timestep in solver.timesteps:
        velocity = velocity_to(POINT, solver.network_input(state, timestep), timestep, solver.alphas_cumprod)
        state = solver.step(velocity, timestep, state, generator=later).prev_sample
    return state


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_with_an_exact_network_every_scheduler_ends_at_the_only_shape_there_is(name: SolverName, spacing: str) -> None:
    schedule = dataclasses.replace(schedule_of(name), timestep_spacing=spacing, rescale_betas_zero_snr=False)
    left = 0.12 if name == "PNDMScheduler" else 2e-3  # PNDM ends with the noise of the first level, 0.03, left
    torch.testing.assert_close(sampled(schedule.solver(20)), POINT, atol=left, rtol=0.0)


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "PNDMScheduler"])
def test_so_it_does_from_pure_noise(name: SolverName) -> None:
    torch.testing.assert_close(sampled(schedule_of(name).solver(50)), POINT, atol=2e-3, rtol=0.0)


@pytest.mark.parametrize("name", CLASSES)
def test_the_solver_is_what_diffusers_makes_of_the_same_keys(name: SolverName) -> None:
    schedule = schedule_of(name)
    solver = schedule.solver(10)
    theirs = getattr(diffusers, name)(**{key: getattr(schedule, key) for key in schedule.keys})
    theirs.set_timesteps(10)
    assert torch.equal(solver.timesteps, theirs.timesteps)
    assert torch.equal(solver.alphas_cumprod, theirs.alphas_cumprod)
    assert len(solver.sigmas) >= len(solver.timesteps)
    assert solver.sigmas[:-1].diff().max() <= 0


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_noise_levels_of_schedulers_that_do_not_state_them_are_those_of_the_others(name: SolverName) -> None:
    own, stated = schedule_of(name).solver(10), Schedule().solver(10)
    torch.testing.assert_close(own.sigmas[1:], stated.sigmas[1:10], rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"class_name": "PNDMScheduler"}, "rescale_betas_zero_snr True cannot be honoured by PNDMScheduler"),
        ({"class_name": "DPMSolverMultistepScheduler", "clip_sample": True}, "clip_sample True"),
        ({"class_name": "DDIMScheduler", "variance_type": "fixed_large"}, "variance_type fixed_large"),
        (
            {"class_name": "PNDMScheduler", "rescale_betas_zero_snr": False, "prediction_type": "sample"},
            "prediction_type sample",
        ),
    ],
)
def test_what_a_class_cannot_do_is_refused_by_key_and_value(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Schedule(**settings)  # type: ignore[arg-type]


def test_settings_of_one_class_change_what_it_computes() -> None:
    def ends(**settings: object) -> Tensor:
        solver = Schedule(**settings).solver(4)  # type: ignore[arg-type]
        generator, state = torch.Generator().manual_seed(0), torch.ones(1, 5, 1)
        for timestep in solver.timesteps[:3]:
            state = solver.step(2 * state - 0.1, timestep, state, generator=generator).prev_sample
        return state

    published = ends()
    for key, value in {
        "algorithm_type": "dpmsolver++",
        "solver_order": 1,
        "timestep_spacing": "leading",
        "prediction_type": "sample",
        "beta_schedule": "linear",
        "beta_end": 0.02,
        "rescale_betas_zero_snr": False,
    }.items():
        assert not torch.equal(ends(**{key: value}), published), key
    ddpm = {"class_name": "DDPMScheduler"}
    for key, value in {"variance_type": "fixed_large", "clip_sample": True}.items():
        assert not torch.equal(ends(**ddpm, **{key: value}), ends(**ddpm)), key


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "PNDMScheduler"])
@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_what_an_exact_prediction_foresees_is_the_shape(name: SolverName, prediction: str) -> None:
    schedule = dataclasses.replace(schedule_of(name), prediction_type=prediction, rescale_betas_zero_snr=False)
    solver = schedule.solver(8)
    timestep = solver.timesteps[3]
    alpha = solver.alphas_cumprod[int(timestep)]
    noise = torch.randn(POINT.shape, generator=torch.Generator().manual_seed(1))
    noisy = alpha.sqrt() * POINT + (1 - alpha).sqrt() * noise
    exact = {"v_prediction": alpha.sqrt() * noise - (1 - alpha).sqrt() * POINT, "epsilon": noise, "sample": POINT}
    torch.testing.assert_close(solver.foreseen(exact[prediction], timestep, noisy), POINT, atol=1e-4, rtol=0)
