"""Part sampling: rows without weight left out and contexts read once, against three full rows at every step."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from apg_core.diffusion.company import Company
from apg_core.diffusion.guidance import GuidedInput, part_rows
from apg_core.diffusion.schedule import Schedule
from apg_core.diffusion.trajectories import Trajectory, run
from apg_core.models.configs import PartDitConfig
from apg_core.models.part_dit import PartDit
from apg_core.presets import load_preset
from apg_core.protocol.options import GuidanceScales
from benchmarks.table import Row

MID = PartDitConfig(
    latent_channels=64,
    width=512,
    num_layers=21,
    num_attention_heads=8,
    image_width=256,
    token_cross_attention_layer=10,
)
MID_LATENTS, MID_IMAGE_TOKENS = 512, 261
STEPS, REPEATS = 4, 3


def rows() -> list[Row]:
    """Processor seconds of one trajectory at the default guidance (image 0, geometry 2), at nano and a mid size."""
    nano = load_preset("nano")
    sizes = [
        ("nano", nano.dit, nano.num_latents, nano.image_encoder.num_tokens),
        ("mid", MID, MID_LATENTS, MID_IMAGE_TOKENS),
    ]
    measured = []
    for name, config, latents, tokens in sizes:
        torch.manual_seed(0)
        denoiser = PartDit(config).eval()
        images = torch.randn(2, tokens, 2 * config.image_width)
        given = torch.randn(1, 2, latents, config.latent_channels)
        plain, ours = _medians(partial(_plain, denoiser, images, given), partial(_ours, denoiser, images, given))
        measured.append(Row(f"part sampling, {name}, {STEPS} steps", plain, ours, "s"))
    return measured


def _ours(denoiser: PartDit, images: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    scales = GuidanceScales(0, 2)
    guided = GuidedInput(images[:1], torch.cat([torch.zeros_like(given), given]), part_rows(scales))
    return run(Company(denoiser), Trajectory(denoiser, guided, schedule=Schedule(), steps=STEPS, seed=0))


@torch.inference_mode()
def _plain(denoiser: PartDit, images: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    solver = Schedule().solver(STEPS)
    latents = torch.randn(1, *given.shape[-2:], generator=torch.Generator().manual_seed(0))
    noise = torch.Generator().manual_seed(0)
    dropped, seen = images[:1], images[1:]
    image = torch.cat([dropped, dropped, seen])
    geometry = torch.cat([torch.zeros_like(given), given, given])
    for timestep in solver.timesteps:
        context = denoiser.context(image, geometry)
        u, g, ig = denoiser(latents.expand(3, -1, -1), timestep.expand(3), context)
        velocity = (u + 0 * (ig - g) + 2 * (g - u))[None]
        latents = solver.step(velocity, timestep, latents, generator=noise).prev_sample
    return latents


def _medians(plain: Callable[[], torch.Tensor], ours: Callable[[], torch.Tensor]) -> tuple[float, float]:
    torch.testing.assert_close(plain(), ours(), atol=1e-3, rtol=1e-3)  # the same latent, and both warm
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):  # in turn, so that a busy moment hits both
        for way, taken in zip((plain, ours), seconds, strict=True):
            started = time.process_time()
            way()
            taken.append(time.process_time() - started)
    return statistics.median(seconds[0]), statistics.median(seconds[1])
