"""Our DPM-Solver++ gives the bits of diffusers' with every setting that a config file may have."""

import subprocess
import sys
from itertools import product

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from apg_core.diffusion.schedule import Schedule

KEYS = ("algorithm_type", "solver_order", "timestep_spacing", "beta_schedule", "rescale_betas_zero_snr")
VALUES = (
    ("sde-dpmsolver++", "dpmsolver++"),
    (1, 2),
    ("trailing", "leading", "linspace"),
    ("linear", "scaled_linear", "squaredcos_cap_v2"),
    (True, False),
)


def assert_same_states(schedule: Schedule, steps: int) -> None:
    ours = schedule.solver(steps)
    theirs = DPMSolverMultistepScheduler(**{key: getattr(schedule, key) for key in schedule.keys})
    theirs.set_timesteps(steps)
    assert torch.equal(ours.timesteps, theirs.timesteps), schedule
    assert torch.equal(ours.sigmas, theirs.sigmas), schedule
    assert torch.equal(ours.alphas_cumprod, theirs.alphas_cumprod), schedule
    own, their = (torch.Generator().manual_seed(5) for _ in range(2))
    state = known = torch.randn(1, 37, 3, generator=torch.Generator().manual_seed(1))
    for timestep in theirs.timesteps:
        network = torch.sin(3 * known)  # the first network that comes to mind
        state = ours.step(torch.sin(3 * state), timestep, state, generator=own).prev_sample
        known = theirs.step(network, timestep, known, generator=their).prev_sample
        assert torch.equal(state, known), (schedule, int(timestep))


@pytest.mark.parametrize("values", list(product(*VALUES)))
def test_with_every_setting_every_state_has_the_bits_of_diffusers(values: tuple[object, ...]) -> None:
    assert_same_states(Schedule(**dict(zip(KEYS, values, strict=True))), 6)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [1, 2, 14, 15, 50])
@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon", "sample"])
def test_with_any_number_of_steps_and_any_prediction_too(steps: int, prediction: str) -> None:
    assert_same_states(Schedule(prediction_type=prediction), steps)  # type: ignore[arg-type]


def test_the_published_settings_need_no_diffusers() -> None:
    code = "import sys; from apg_core.diffusion.schedule import Schedule; Schedule().solver(4); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "torch" in loaded
    assert "diffusers" not in loaded
