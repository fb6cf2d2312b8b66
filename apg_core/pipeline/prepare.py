"""Pictures as the image encoder wants them: on white, cropped around the object, square.

Features are made elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from apg_core.errors import MaskError
from apg_core.geometry.view import box_of
from apg_core.protocol.arrays import Coverage, Labels, RgbaImage, RgbImage

FOREGROUND_ALPHA = 204  # 0.8 * 255: above it a pixel counts as the object
CROP_MARGIN = 1.2  # crop edge over the object's longer edge
WHITE = 255
OUTLINE_SIZE = 96
"""Pixels an edge of the outline that a whole is fitted to."""


@dataclass(frozen=True, slots=True)
class CropBox:
    """Pixel columns [left, right) and rows [top, bottom) of an image."""

    left: int
    top: int
    right: int
    bottom: int

    def crop(self, image: np.ndarray) -> np.ndarray:
        """A view of the pixels inside."""
        return image[self.top : self.bottom, self.left : self.right]


def foreground_box(rgba: RgbaImage) -> CropBox:
    """The square around the opaque pixels with a margin, cut by the image's border.

    The whole image where nothing is opaque or the object is too thin for a box.
    """
    height, width = rgba.shape[:2]
    opaque = rgba[..., 3] > FOREGROUND_ALPHA
    columns, rows = np.flatnonzero(opaque.any(axis=0)), np.flatnonzero(opaque.any(axis=1))
    whole = CropBox(0, 0, width, height)
    if not len(columns):
        return whole
    (x0, x1), (y0, y1) = columns[[0, -1]].tolist(), rows[[0, -1]].tolist()
    half = int(CROP_MARGIN * max(x1 - x0, y1 - y0)) // 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    box = CropBox(max(int(x - half), 0), max(int(y - half), 0), min(int(x + half), width), min(int(y + half), height))
    return whole if box.left >= box.right or box.top >= box.bottom else box


def prepare_whole(rgba: RgbaImage, size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The object on white, cropped, `size` pixels an edge; a crop that is not square is stretched."""
    return _resized(_on_white(foreground_box(rgba).crop(rgba)), size)


def prepare_region(
    rgba: RgbaImage, labels: Int[np.ndarray, "h w"], label: int, size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """One mask region of the object on white, in the same crop as `prepare_whole`.

    Raises:
        MaskError: the region has no pixel once the mask has the image's size.
    """
    inside = align_mask(labels, rgba.shape[:2]) == label
    if not inside.any():
        raise MaskError(
            f"mask region {label} has no pixel left at the image's {rgba.shape[1]} x {rgba.shape[0]}; "
            "give a mask of the image's size",
            field="mask",
        )
    box = foreground_box(rgba)
    on_white = _on_white(box.crop(rgba))
    on_white[~box.crop(inside)] = WHITE
    return _resized(on_white, size)


def prepare_labels(rgba: RgbaImage, labels: Labels, size: int) -> Int[np.ndarray, "{size} {size}"]:
    """The mask in the same crop as `prepare_whole`, each pixel the nearest label; 0 where the image is transparent."""
    box = foreground_box(rgba)
    seen = box.crop(np.where(rgba[..., 3] > FOREGROUND_ALPHA, align_mask(labels, rgba.shape[:2]), 0))
    return align_mask(seen, (size, size)).astype(np.int32)


def prepare_outline(rgba: RgbaImage, size: int) -> Coverage | None:
    """How much of each pixel the object covers, from 0 to 1, in the square around it with the margin of the others.

    NaN beyond the image's border. None where nothing is opaque, or nothing transparent.
    """
    opaque = rgba[..., 3] > FOREGROUND_ALPHA
    if opaque.all() or not opaque.any():
        return None
    left, top, right, bottom = box_of(opaque)
    edge = int(np.ceil(CROP_MARGIN * max(right - left, bottom - top)))
    x, y = (left + right - edge) // 2, (top + bottom - edge) // 2
    planes = rgba[..., 3], np.full(opaque.shape, WHITE, np.uint8)
    box = (x, y, x + edge, y + edge)  # what Pillow crops beyond the border is 0
    cropped = (Image.fromarray(plane).crop(box).resize((size, size), Image.Resampling.BOX) for plane in planes)
    shown, known = (np.asarray(plane, np.float32) / WHITE for plane in cropped)
    return np.where(known < 1, np.float32(np.nan), shown)


def align_mask(labels: Labels, shape: tuple[int, ...]) -> Int[np.ndarray, "{shape[0]} {shape[1]}"]:
    """The mask at the image's (rows, columns), each pixel the nearest label."""
    rows, columns = (
        ((np.arange(wanted) + 0.5) * (given / wanted)).astype(int)
        for wanted, given in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def _blended_on_white() -> UInt8[np.ndarray, "256 256"]:
    """A colour value on white, by alpha and value."""
    value, share = np.arange(256), np.arange(256)[:, None] / WHITE
    # Double precision, then truncation: what the released preparation does, to the last bit.
    return (value * share + WHITE * (1 - share)).astype(np.uint8)


_ON_WHITE = _blended_on_white()


def _on_white(rgba: RgbaImage) -> RgbImage:
    return _ON_WHITE[rgba[..., 3:], rgba[..., :3]]


def _resized(image: RgbImage, size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
