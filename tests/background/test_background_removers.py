"""Background removal on pictures whose object is known to the pixel."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from apg_core.background.alpha import has_own_alpha
from apg_core.background.neural import NeuralBackgroundRemover
from apg_core.background.plain import PlainBackgroundRemover
from apg_core.background.remover import Removed

EDGE = 256
Y, X = np.mgrid[:EDGE, :EDGE] / EDGE
RED = np.array([190.0, 60.0, 50.0]) * (0.6 + 0.4 * X)[..., None]
GREY = np.array([150.0, 150.0, 150.0]) * (0.6 + 0.4 * X)[..., None]
PALE = np.array([205.0, 205.0, 225.0])
WHITE = np.full((EDGE, EDGE, 3), 255.0)
GRADIENT = (170 + 60 * Y - 25 * X)[..., None] * np.array([1.0, 1.0, 1.03])
SHADOW_SPOT = ((X - 0.55) / 0.3) ** 2 + ((Y - 0.72) / 0.06) ** 2 < 1
SHADOW = 1 - 0.35 * ndimage.gaussian_filter(SHADOW_SPOT.astype(float), 8)[..., None]


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return (X - x) ** 2 + (Y - y) ** 2 < radius**2


DISC = disc(0.5, 0.45, 0.25)
RING = DISC & ~disc(0.5, 0.45, 0.1)
LAMP = DISC | ((np.abs(X - 0.5) < 0.01) & (Y > 0.4) & (Y < 0.9))
CUT = disc(0.5, 0.85, 0.3)


def painted(background: np.ndarray, shape: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The shape on the background, its edge as soft as a camera's."""
    share = ndimage.gaussian_filter(shape.astype(float), 0.6)[..., None]
    return np.clip(background * (1 - share) + colour * share, 0, 255).astype(np.uint8)


def overlap(removed: Removed, shape: np.ndarray) -> float:
    """Intersection over union of the opaque half and the shape."""
    found = removed.rgba[..., 3] > 127
    return float((found & shape).sum() / (found | shape).sum())


@pytest.mark.parametrize(
    ("background", "shape", "colour"),
    [
        (WHITE, DISC, RED),
        (WHITE, DISC, GREY),
        (WHITE, DISC, PALE),
        (GRADIENT, DISC, RED),
        (GRADIENT, DISC, GREY * 0.5),
        (WHITE * 0.02, DISC, RED),
        (np.array([40.0, 190.0, 60.0]) * np.ones_like(WHITE), DISC, RED),
        (WHITE * SHADOW, DISC, RED),
        (WHITE * SHADOW, DISC, GREY),
        (GRADIENT * SHADOW, DISC, RED),
        (WHITE, RING, RED),
        (WHITE, LAMP, RED),
        (WHITE, CUT, RED),
    ],
    ids=[
        "white",
        "grey-on-white",
        "pale",
        "gradient",
        "grey-on-gradient",
        "black",
        "green",
        "shadow",
        "grey-shadow",
        "gradient-shadow",
        "ring",
        "thin-leg",
        "cut-by-the-border",
    ],
)
def test_the_object_on_a_plain_background_is_found(
    background: np.ndarray, shape: np.ndarray, colour: np.ndarray
) -> None:
    image = painted(background, shape, colour)
    removed = PlainBackgroundRemover().remove(image)
    assert overlap(removed, shape) > 0.98
    assert not removed.unsure
    assert removed.note is None
    assert (removed.rgba[..., :3] == image).all()


def test_noise_and_compression_do_not_matter() -> None:
    noise = np.random.default_rng(0).normal(0, 6, WHITE.shape)
    file = BytesIO()
    noisy = np.clip(painted(GRADIENT, DISC, RED) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(file, "JPEG", quality=70)
    with Image.open(file) as image:
        assert overlap(PlainBackgroundRemover().remove(np.asarray(image)), DISC) > 0.98


def test_the_outline_is_as_soft_as_it_was_painted() -> None:
    share = ndimage.gaussian_filter(DISC.astype(float), 0.6)
    alpha = PlainBackgroundRemover().remove(painted(WHITE, DISC, RED)).rgba[..., 3] / 255
    assert np.abs(alpha - share).mean() < 0.005
    assert np.abs(alpha - share).max() < 0.3


def test_a_highlight_of_the_backgrounds_colour_stays() -> None:
    highlight = disc(0.45, 0.35, 0.015)[..., None]
    removed = PlainBackgroundRemover().remove(painted(WHITE, DISC, np.where(highlight, 255.0, RED)))
    assert overlap(removed, DISC) > 0.99


def test_a_large_picture_gives_the_small_ones_outline() -> None:
    large = np.kron(painted(WHITE, DISC, RED), np.ones((12, 12, 1), np.uint8))
    assert overlap(PlainBackgroundRemover().remove(large), np.kron(DISC, np.ones((12, 12), bool))) > 0.98


@pytest.mark.parametrize(
    ("background", "shape", "reason"),
    [
        (np.random.default_rng(0).uniform(0, 255, WHITE.shape), DISC, "border is not of one colour"),
        (WHITE, np.zeros_like(DISC), "no object stands out"),
        (WHITE, disc(0.5, 0.5, 0.03), "no object stands out"),
        (WHITE, disc(0.5, 0.5, 0.66), "runs over the border|nearly everything"),
    ],
    ids=["noise", "nothing", "a speck", "all of it"],
)
def test_a_picture_it_cannot_be_trusted_with_is_told(background: np.ndarray, shape: np.ndarray, reason: str) -> None:
    removed = PlainBackgroundRemover().remove(painted(background, shape, RED))
    assert removed.unsure
    assert removed.note is not None
    assert any(part in removed.note for part in reason.split("|"))


def test_where_nothing_stands_out_everything_stays_opaque() -> None:
    assert (PlainBackgroundRemover().remove(WHITE.astype(np.uint8)).rgba[..., 3] == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 3000), (3000, 40)])
def test_pictures_of_any_shape_keep_it(shape: tuple[int, int]) -> None:
    assert PlainBackgroundRemover().remove(np.zeros((*shape, 4), np.uint8)).rgba.shape == (*shape, 4)


class RedNet(nn.Module):
    """As foreground as it is red; keeps what it was shown."""

    def forward(self, image: Tensor) -> Tensor:
        self.shown = image
        return 0.3 + 0.2 * image[:, :1]


def test_the_network_sees_the_square_centred_image_and_its_map_is_stretched_to_alpha() -> None:
    net = RedNet()
    image = np.zeros((60, 90, 4), np.uint8)
    image[:, 45:, 0], image[..., 1] = 200, 51
    removed = NeuralBackgroundRemover(net, torch.device("cpu")).remove(image)
    assert net.shown.shape == (1, 3, 1024, 1024)
    assert torch.allclose(net.shown[:, 1], torch.tensor(51 / 255 - 0.5))
    assert (removed.rgba[..., :3] == image[..., :3]).all()
    assert (removed.rgba[:, :44, 3] == 0).all()
    assert (removed.rgba[:, 46:, 3] >= 254).all()
    assert not removed.unsure


def test_a_flat_map_leaves_everything_opaque_and_is_told() -> None:
    removed = NeuralBackgroundRemover(RedNet(), torch.device("cpu")).remove(np.zeros((8, 8, 3), np.uint8))
    assert (removed.rgba[..., 3] == 255).all()
    assert removed.unsure


@pytest.mark.parametrize(
    ("clear", "solid", "own"), [(0.01, 0.01, True), (0.009, 0.5, False), (0.5, 0.009, False), (0.5, 0.5, True)]
)
def test_an_image_has_alpha_of_its_own_from_a_hundredth_clear_and_a_hundredth_solid(
    clear: float, solid: float, own: bool
) -> None:
    rgba = np.full((100, 100, 4), 128, np.uint8)
    flat = rgba.reshape(-1, 4)
    flat[: round(clear * 10_000), 3] = 8
    flat[::-1][: round(solid * 10_000), 3] = 247
    assert has_own_alpha(rgba) == own
    assert not has_own_alpha(rgba[..., :3])
