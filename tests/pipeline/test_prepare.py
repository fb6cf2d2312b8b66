"""Prepared images against an independent run's, and the crop's closed forms."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file

from apg_core.errors import MaskError
from apg_core.pipeline.prepare import (
    CropBox,
    align_mask,
    foreground_box,
    prepare_outline,
    prepare_region,
    prepare_whole,
)
from apg_core.protocol.arrays import RgbaImage
from apg_core.protocol.prompt import mask_regions

NANO = Path(__file__).parents[1] / "data" / "parity" / "nano"
CASES = load_file(NANO / "cases.safetensors")
CONFIG = yaml.safe_load((NANO / "config.yaml").read_text())
SIZE = CONFIG["conditioner"]["img_input"]
PICTURES = [
    ("input_rgba", "input_mask", "e2e.out.prepared_image", "mask.out.prepared", "mask_label_order"),
    ("input_soft", "input_soft_mask", "prep.out.soft", "prep.out.soft_masked", "soft_mask_label_order"),
]


def read(name: str) -> np.ndarray:
    return np.asarray(Image.open(NANO / f"{name}.png"))


def worst_difference(prepared: np.ndarray, case: str) -> float:
    return float(np.abs(prepared.transpose(2, 0, 1) / np.float32(255) - CASES[case]).max())


def opaque(height: int, width: int, box: CropBox) -> RgbaImage:
    rgba = np.zeros((height, width, 4), np.uint8)
    box.crop(rgba)[:] = 255
    return rgba


@pytest.mark.parametrize(("picture", "mask", "whole", "regions", "order"), PICTURES)
def test_prepared_images_equal_the_independent_run(
    picture: str, mask: str, whole: str, regions: str, order: str
) -> None:
    rgba, labels = read(picture), read(mask).astype(np.int32)
    assert mask_regions(labels) == mask_regions(align_mask(labels, rgba.shape[:2])) == tuple(CONFIG[order])
    assert worst_difference(prepare_whole(rgba, SIZE), whole) < 1e-6
    for index, label in enumerate(CONFIG[order]):
        assert worst_difference(prepare_region(rgba, labels, label, SIZE), f"{regions}.{index}") < 1e-6


def test_the_box_is_the_objects_longer_edge_with_a_fifth_of_margin() -> None:
    rgba = opaque(200, 300, CropBox(100, 50, 161, 91))
    assert foreground_box(rgba) == CropBox(130 - 36, 70 - 36, 130 + 36, 70 + 36)


def test_the_border_cuts_the_box() -> None:
    assert foreground_box(opaque(100, 100, CropBox(0, 0, 51, 51))) == CropBox(0, 0, 55, 55)


@pytest.mark.parametrize("box", [CropBox(0, 0, 0, 0), CropBox(7, 9, 8, 10)])
def test_nothing_or_one_opaque_pixel_gives_the_whole_image(box: CropBox) -> None:
    assert foreground_box(opaque(40, 60, box)) == CropBox(0, 0, 60, 40)


def test_half_transparent_pixels_are_not_the_object() -> None:
    rgba = opaque(100, 100, CropBox(40, 40, 61, 61))
    rgba[:30, :, 3] = 204
    assert foreground_box(rgba) == CropBox(38, 38, 62, 62)


def test_an_outline_is_the_share_of_each_pixel_in_the_same_square() -> None:
    rgba = opaque(200, 300, CropBox(100, 50, 160, 90))  # 60 pixels wide: a square of 72 about it
    shown = prepare_outline(rgba, 24)
    assert shown is not None
    assert np.isclose(9 * shown.sum(), 60 * 40)
    assert np.array_equal(np.flatnonzero(shown.any(axis=0)), np.arange(2, 22))
    assert np.array_equal(np.flatnonzero(shown.any(axis=1)), np.arange(5, 19))
    np.testing.assert_allclose(np.unique(shown), [0, 2 / 3, 1])  # 40 rows are thirteen and a third of 3


def test_an_outline_does_not_say_what_is_beyond_the_border() -> None:
    shown = prepare_outline(opaque(100, 100, CropBox(0, 20, 60, 80)), 72)
    assert shown is not None
    assert np.isnan(shown[:, :6]).all()
    assert not np.isnan(shown[:, 6:]).any()
    assert shown[6:66, 6:66].min() == 1


@pytest.mark.parametrize("box", [CropBox(0, 0, 0, 0), CropBox(0, 0, 60, 40)])
def test_nothing_and_everything_have_no_outline(box: CropBox) -> None:
    assert prepare_outline(opaque(40, 60, box), 24) is None


def test_transparent_pixels_come_out_white() -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    assert (prepare_whole(rgba, 8) == 255).all()


def test_regions_go_from_the_bottom_up_and_then_from_the_left() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:3, 1:3], labels[5:8, 6:8], labels[6:8, 1:3], labels[0, 8] = 40_000, 2, 3, -1
    assert mask_regions(labels) == (3, 2, 40_000, -1)


def test_a_mask_is_enlarged_by_whole_blocks() -> None:
    labels = np.arange(6).reshape(2, 3)
    assert (align_mask(labels, (6, 9)) == np.kron(labels, np.ones((3, 3), int))).all()


def test_a_region_that_the_smaller_image_loses_is_an_error() -> None:
    labels = np.ones((64, 64), np.int32)
    labels[0, 0] = 5
    with pytest.raises(MaskError, match="region 5 has no pixel left at the image's 8 x 8"):
        prepare_region(opaque(8, 8, CropBox(2, 2, 6, 6)), labels, 5, 16)
