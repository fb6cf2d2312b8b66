"""Moving a sampled whole to the outline of a picture: on shapes in closed form, and on the tiny preset."""

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from apg_core.geometry.rays import ray_scene
from apg_core.geometry.view import find_view, outline_of
from apg_core.pipeline.local import LocalStages, Pipeline, generate_parts, load_pipeline
from apg_core.pipeline.outline import fit_to_outline
from apg_core.protocol.arrays import Coverage, LatentArray
from apg_core.protocol.options import DecodeOptions, GenerationOptions
from tests.support.latents import latent_of
from tests.support.objects import block

EDGE = 96
LENTIL = torch.tensor([[0.9, 0.6]])


def spheroid(axes: Tensor, points: Tensor) -> Tensor:
    """The field of a spheroid about y whose half axes, across and up, are a latent's one token.

    Where it is flat no view makes it look flatter, so only its axes can.
    """
    across, up = axes[0]
    return 8 * torch.tanh((1 - (points / torch.stack([across, up, across])).norm(dim=1)) * up / 0.1)


def ellipse(right: float, up: float) -> np.ndarray:
    """Pixels of a picture, in [-1, 1] either way, that lie in an ellipse."""
    across = (np.arange(EDGE) + 0.5) / EDGE * 2 - 1
    return np.hypot(across / right, across[:, None] / up) < 1


def proportion(axes: Tensor) -> float:
    return float(axes[0, 1] / axes[0, 0])


def test_a_shape_takes_the_proportions_of_the_picture() -> None:
    wanted = 0.45 / 0.8
    for seed in range(3):
        moved = fit_to_outline(spheroid, LENTIL, ellipse(0.8, 0.45).astype(np.float32), seed=seed)
        assert abs(proportion(moved) - wanted) < 0.4 * (proportion(LENTIL) - wanted)


def test_what_the_picture_does_not_say_is_not_asked() -> None:
    shown = ellipse(0.8, 0.45).astype(np.float32)
    wrong, unknown = shown.copy(), shown.copy()
    wrong[:8], unknown[:8] = 1, np.nan
    plain, misled, moved = (
        proportion(fit_to_outline(spheroid, LENTIL, one, seed=0)) for one in (shown, wrong, unknown)
    )
    assert abs(moved - plain) < 0.01 < 0.05 < abs(misled - plain)


def test_the_same_seed_gives_the_same_latent() -> None:
    shown = ellipse(0.8, 0.45).astype(np.float32)
    one, again, other = (fit_to_outline(spheroid, LENTIL, shown, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("axes", "shown"), [(0.01, ellipse(0.8, 0.6)), (0.5, np.zeros((EDGE, EDGE)))])
def test_where_there_is_nothing_to_see_nothing_moves(axes: float, shown: np.ndarray) -> None:
    latent = torch.full((1, 2), axes)
    assert fit_to_outline(spheroid, latent, shown.astype(np.float32), seed=0) is latent


@pytest.fixture(scope="module")
def tiny() -> Pipeline:
    torch.set_num_threads(1)
    return load_pipeline("tiny", "cpu")


def test_a_latent_of_the_tiny_preset_comes_to_look_like_the_picture(tiny: Pipeline) -> None:
    """A table that is too high for its picture."""
    stages, options = tiny.stages, DecodeOptions(grid_size=64)
    shown = np.zeros((EDGE, EDGE), np.float32)
    shown[30:40, 10:86] = 1
    shown[40:66, 16:26] = shown[40:66, 70:80] = 1
    high = [block((1.9, 0.25, 0.9), (0, 0.525, 0)), *(block((0.25, 1.05, 0.9), (x, -0.125, 0)) for x in (-0.7, 0.7))]
    latent = latent_of(tiny, type(high[0]).joined(high))
    alike = []
    for one in (latent, stages.codec.fit_to_outline(latent, shown, 0)):
        mesh = stages.meshes.extract(stages.codec.decode(one, options), options)
        alike.append(find_view(mesh.vertices, outline_of(ray_scene(mesh)), shown > 0.5)[1])
    assert alike[1] > alike[0] + 0.05


def test_it_is_adam_of_torch_without_torch_s_compiler() -> None:
    """Which takes a second and 80 MB to import, in each process that decodes."""
    check = """
import sys, torch
from apg_core.pipeline.outline import _Descent
random = torch.Generator().manual_seed(0)
start, gradients = torch.randn(7, generator=random), torch.randn(9, 7, generator=random)
ours = _Descent(start)
for place, gradient in enumerate(gradients):
    ours.step(gradient, 0.1 / (place + 1))
assert "torch._dynamo" not in sys.modules
theirs = start.clone().requires_grad_()
adam = torch.optim.Adam([theirs])
for place, gradient in enumerate(gradients):
    adam.param_groups[0]["lr"], theirs.grad = 0.1 / (place + 1), gradient
    adam.step()
print(torch.equal(ours.value, theirs))
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


@dataclass(frozen=True, eq=False)
class Watched(LocalStages):
    """The local stages, with a note of each whole that is fitted to an outline."""

    fitted: list[Coverage]

    async def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> LatentArray:
        self.fitted.append(outline)
        return await super().fit_to_outline(latent, outline, seed)


@pytest.mark.parametrize(
    ("chosen", "given", "times"),
    [
        ({"fit_to_outline": True}, {"image"}, 1),
        ({"fit_to_outline": True}, {"image", "mask"}, 1),
        ({"fit_to_outline": True}, {"image", "mesh"}, 0),
        ({"fit_to_outline": True, "remove_background": False}, {"image"}, 0),  # then everything is the object
        ({}, {"image"}, 0),
    ],
)
def test_what_is_sampled_from_a_picture_is_fitted_to_its_outline(
    chosen: dict[str, Any], given: set[str], times: int
) -> None:
    nano = load_pipeline("nano", "cpu")
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 16:48] = (200, 30, 30)
    inputs = {"image": picture, "mask": (picture[..., 1] < 255).astype(np.int32), "mesh": block((1, 1, 1))}
    watched = replace(nano, stages=Watched(**vars(nano.stages), fitted=[]))
    options = GenerationOptions(max_parts=1, num_inference_steps=1, preview=False, show_progress=False, **chosen)
    generate_parts(watched, **{name: inputs[name] for name in given}, options=options)
    assert len(watched.stages.fitted) == times
