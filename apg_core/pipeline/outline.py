"""Moves a sampled whole until its outline is that of the picture's object.

A denoiser has learned from a picture's features where roughly the object ends; the picture says it to the pixel. From
where the picture was taken nobody says: it is looked for by outline (`geometry/view.py`), and then moves along. The
latent goes down the gradient of the outline's cross entropy, through the decoder: the largest field value along the
ray of a pixel says whether that shows the shape. It stays near the sample, which knows all that an outline does not.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.view import DISTANCE, Outline, View, box_of, find_view
from apg_core.protocol.arrays import Coverage

STEPS = 20
RAYS, DEPTHS = 200, 16
LATENT_RATE, VIEW_RATE = 0.05, 0.01
"""Of Adam at the first step, in deviations of the latent and in radians; at the last step it is nearly zero."""
STAY = 0.2
"""Weight of the mean squared distance from the sample, in deviations of the latent."""
SHARPNESS = 2.0
"""Of the step from outside to inside, per unit of the field."""
BLUR = 3
"""Pixels over which the picture's outline is averaged, since rays have no width."""
VIEW_GRID, VIEW_PIXELS, VIEW_DEPTHS = 28, 32, 40
_KEEP_MEAN, _KEEP_SQUARE = 0.9, 0.999  # of Adam's moments, with each step
_OUTSIDE = -6.0  # a field value that is certainly outside
_CUBE = 1.01
_UNITS = (1.0, 1.0, 0.2, 0.2, 0.2)
"""How much of a view's five numbers changes with one unit of descent."""

LatentField = Callable[[Float[Tensor, "N C"], Float[Tensor, "Q 3"]], Float[Tensor, " Q"]]
"""The field of a latent at some points, differentiable in both."""
Camera = Float[Tensor, "5"]
"""Turn and rise of a view in radians; what the middle of the picture is right and up of, one unit in front of the eye;
and half the picture's edge there."""


def fit_to_outline(
    field: LatentField, latent: Float[Tensor, "N C"], shown: Coverage, *, seed: int
) -> Float[Tensor, "N C"]:
    """The latent after `STEPS` steps towards the outline; as it was where the shape or the picture is empty.

    `shown` is how much of each pixel the object covers, from 0 to 1, and NaN where the picture does not say.
    """
    known = np.flatnonzero(~np.isnan(shown))
    covered = np.nan_to_num(shown)
    camera = _camera(field, latent, covered > 0.5)
    if camera is None:
        return latent
    pixels_near = torch.from_numpy(covered).float().to(latent.device)[None, None]
    wanted = F.avg_pool2d(pixels_near, BLUR, stride=1, padding=BLUR // 2).flatten()
    random = np.random.default_rng(seed)
    moved, turned = _Descent(latent), _Descent(torch.zeros_like(camera))
    deviation = latent.std()
    rates = (LATENT_RATE * float(deviation), VIEW_RATE)
    for step in range(STEPS):
        pixels = random.choice(known, RAYS)
        rays = _rays(camera + turned.value * camera.new_tensor(_UNITS), pixels, len(shown))
        seen = _largest(field, moved.value, rays, random)
        away = ((moved.value - latent) / deviation).square().mean()
        loss = F.binary_cross_entropy_with_logits(SHARPNESS * seen, wanted[pixels]) + STAY * away
        gradients = torch.autograd.grad(loss, [moved.value, turned.value])
        for one, gradient, rate in zip((moved, turned), gradients, rates, strict=True):
            one.step(gradient, rate * (1 - step / STEPS))
    return moved.value.detach()


class _Descent:
    """Adam (Kingma and Ba 2015) on one tensor. That of `torch.optim` imports torch's compiler: a second, and 80 MB."""

    def __init__(self, start: Tensor) -> None:
        self.value = start.clone().requires_grad_()
        self._mean, self._square = torch.zeros_like(start), torch.zeros_like(start)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """Go down this gradient."""
        self._steps += 1
        self._mean.lerp_(gradient, 1 - _KEEP_MEAN)
        self._square.mul_(_KEEP_SQUARE).addcmul_(gradient, gradient, value=1 - _KEEP_SQUARE)
        unbiased = self._square.sqrt() / (1 - _KEEP_SQUARE**self._steps) ** 0.5
        self.value.addcdiv_(self._mean, unbiased + 1e-8, value=-rate / (1 - _KEEP_MEAN**self._steps))


def _camera(field: LatentField, latent: Float[Tensor, "N C"], shown: Bool[np.ndarray, "n n"]) -> Camera | None:
    """Where the picture was taken from, as far as the latent's outline tells; None where one of both is empty."""
    grid = Grid(VIEW_GRID)
    points = grid.positions(np.arange(grid.resolution**3))
    with torch.no_grad():
        inside = (field(latent, torch.from_numpy(points).to(latent.device)) > 0).cpu().numpy()
    if not inside.any() or not shown.any():
        return None
    view, _ = find_view(points[inside], _outline_of(inside, grid), shown, pixels=VIEW_PIXELS)
    back = view.axes[2]
    left, top, right, bottom = (2 * place / len(shown) - 1 for place in box_of(shown))
    half = float((view.high - view.low).max() / max(right - left, bottom - top))
    across, up = (view.low + view.high) / 2 - half * np.array([left + right, -top - bottom]) / 2
    return latent.new_tensor([np.arctan2(back[0], back[2]), np.arcsin(back[1]), across, up, half])


def _outline_of(inside: Bool[np.ndarray, " Q"], grid: Grid) -> Outline:
    """The outline of the points of a grid that are inside."""
    depths = np.linspace(-np.sqrt(3), np.sqrt(3), VIEW_DEPTHS)[:, None, None] * _CUBE + DISTANCE

    def outline(view: View) -> Bool[np.ndarray, " Q"]:
        directions = view.rays_of_box(VIEW_PIXELS)
        places = view.eye + depths * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        nearest = np.round((places - grid.low) / grid.spacing).astype(np.int64)
        within = ((nearest >= 0) & (nearest < grid.resolution)).all(axis=-1)
        return (within & inside[grid.number(np.where(within[..., None], nearest, 0))]).any(axis=0)

    return outline


def _rays(camera: Camera, pixels: Int[np.ndarray, " R"], edge: int) -> tuple[Float[Tensor, " 3"], Float[Tensor, "R 3"]]:
    """The eye, and directions from it to these pixels of a picture of `edge` pixels an edge, numbered row by row."""
    turn, rise, across, up, half = camera
    back = torch.stack([rise.cos() * turn.sin(), rise.sin(), rise.cos() * turn.cos()])
    right = torch.stack([turn.cos(), torch.zeros_like(turn), -turn.sin()])
    row, column = (torch.from_numpy(place).to(camera) for place in np.divmod(pixels, edge))
    x = across + half * ((2 * column + 1) / edge - 1)
    y = up + half * (1 - (2 * row + 1) / edge)
    return DISTANCE * back, x[:, None] * right + y[:, None] * torch.linalg.cross(back, right) - back


def _largest(
    field: LatentField,
    latent: Float[Tensor, "N C"],
    rays: tuple[Float[Tensor, " 3"], Float[Tensor, "R 3"]],
    random: np.random.Generator,
) -> Float[Tensor, " R"]:
    """The largest field value along each ray, at one random place in each of `DEPTHS` stretches within the cube.

    Its gradient is that of the place where it is largest: the others are asked without.
    """
    eye, directions = rays
    with torch.no_grad():
        ends = torch.stack([(-_CUBE - eye) / directions, (_CUBE - eye) / directions])
        first, last = ends.amin(0).amax(1), ends.amax(0).amin(1)
        share = (torch.arange(DEPTHS) + torch.from_numpy(random.random((len(first), 1)))).to(first) / DEPTHS
        depths = first[:, None] + (last - first)[:, None] * share
        crosses = last > first
        # Rays past the cube are asked, too: torch keeps about a megabyte for every number of points that it has met.
        values = field(latent, _along(eye, directions[:, None], depths[..., None]).reshape(-1, 3)).view(-1, DEPTHS)
        depth = depths.gather(1, values.argmax(1, keepdim=True))
    return torch.where(crosses, field(latent, _along(eye, directions, depth)), _OUTSIDE)


def _along(eye: Tensor, directions: Tensor, depths: Tensor) -> Tensor:
    return (eye + depths * directions).clamp(-_CUBE, _CUBE)
