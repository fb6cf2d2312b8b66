"""Part masks, numbered or coloured, into label arrays."""

from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image as Pillow

from apg_core.errors import MaskError
from apg_core.inputs.content import read_bytes
from apg_core.inputs.raster import open_raster
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.limits import InputLimits, check_limit

SOLID = 3  # a colour is a part's if somewhere it fills a square of this edge; an antialiased edge's does not
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UNCLEAR = (
    "which pixels are one part is not clear; save it lossless and without antialiasing, one colour a part, "
    "or save part numbers as grey values or palette indices"
)


def read_mask(source: Path | bytes | Pillow.Image, limits: InputLimits | None = None) -> Labels:
    """The label of every pixel: the grey value, the index (not the colour) in a palette, or the colour's place.

    Colours other than grey become labels from 1 on in order of their area, the largest first, equal ones by
    red, green and blue. Black and fully transparent pixels are background.

    Raises:
        MaskError: neither numbered nor clearly coloured (see `colour_labels`), damaged, or no label but zero.
        LimitError: more bytes, pixels or regions than `limits` allow.
    """
    limits = limits or InputLimits()
    depth = 8
    if not isinstance(source, Pillow.Image):
        source = read_bytes(source, limits, field="mask", refusal=MaskError)
        depth = source[24] if source.startswith(_PNG_SIGNATURE) and len(source) > 24 else 8
    labels = _labels(open_raster(source, limits, field="mask", refusal=MaskError), limits, depth=depth)
    return check_mask(labels, limits)


def check_mask(labels: np.ndarray, limits: InputLimits) -> Labels:
    """The labels, once they are known to be some; rows of 8-bit colours are turned into labels.

    Raises:
        MaskError: neither one whole number nor one colour a pixel, or no label but zero.
        LimitError: more pixels or regions than `limits` allow.
    """
    check_limit("mask pixels", int(np.prod(labels.shape[:2])), limits.image_pixels, field="mask")
    check_limit("mask pixels on an edge", max(labels.shape[:2], default=0), limits.image_side, field="mask")
    if labels.ndim == 3 and labels.shape[2] in (3, 4) and labels.dtype == np.uint8:
        labels = _of_colours(labels, limits)
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise MaskError(
            f"a mask is one whole number a pixel, or 8-bit colours, got shape {labels.shape} of {labels.dtype}",
            field="mask",
        )
    regions = int(np.count_nonzero(np.unique(labels)))
    if not regions:
        raise MaskError("the mask has no region: every pixel is 0, the background", field="mask")
    check_limit("mask regions", regions, limits.mask_regions, field="mask")
    return labels.astype(np.int32, copy=False)


def colour_labels(pixels: Image, limits: InputLimits) -> Labels:
    """Labels 1, 2, ... for the colours of a picture, the largest area first, equal ones by red, green and blue.

    Black and fully transparent are 0. The colours must say clearly which pixels are one part: none is half
    transparent, there are no more of them than `limits` allow regions, and each fills a square of `SOLID` pixels
    somewhere, which colours mixed at an antialiased edge or by lossy compression do not.

    Raises:
        MaskError: they do not.
    """
    colours = np.zeros(pixels.shape[:2], np.int32)
    for channel in range(3):
        colours = colours << 8 | pixels[..., channel]
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3]
        if half := int(np.count_nonzero((alpha > 0) & (alpha < 255))):
            raise MaskError(f"the mask has {half:,} half transparent pixels: {_UNCLEAR}", field="mask")
        colours[alpha == 0] = 0
    areas = np.bincount(colours.ravel(), minlength=2**24)
    areas[0] = 0  # black
    found = np.flatnonzero(areas)
    if len(found) > limits.mask_regions:
        raise MaskError(
            f"the mask has {len(found):,} colours, and parts are limited to {limits.mask_regions}: {_UNCLEAR}",
            field="mask",
        )
    if len(thin := np.setdiff1d(found, _solid_colours(colours))):
        shown = ", ".join(f"#{colour:06x}" for colour in thin[:4]) + (", ..." if len(thin) > 4 else "")
        raise MaskError(
            f"the mask has {len(thin)} colours that nowhere fill {SOLID} x {SOLID} pixels ({shown}): {_UNCLEAR}",
            field="mask",
        )
    label_of = np.zeros(2**24, np.int32)
    label_of[found[np.lexsort((found, -areas[found]))]] = np.arange(1, len(found) + 1)
    return label_of[colours]


def _solid_colours(colours: Int[np.ndarray, "H W"]) -> Int[np.ndarray, " K"]:
    """The colours that somewhere fill a square of `SOLID` pixels' edge."""
    rows, columns = (max(size - SOLID + 1, 0) for size in colours.shape)
    corner = colours[:rows, :columns]
    solid = np.ones(corner.shape, bool)
    for down in range(SOLID):
        for right in range(SOLID):
            solid &= colours[down : down + rows, right : right + columns] == corner
    return np.flatnonzero(np.bincount(corner[solid], minlength=1))


def _of_colours(pixels: Image, limits: InputLimits) -> Labels:
    """Labels of a colour picture: its numbers where it is all grey, or else its colours' places."""
    grey = pixels[..., 0]
    if (grey[..., None] != pixels[..., 1:3]).any():
        return colour_labels(pixels, limits)
    return (grey if pixels.shape[2] == 3 else np.where(pixels[..., 3], grey, 0)).astype(np.int32)


def _labels(image: Pillow.Image, limits: InputLimits, *, depth: int) -> Labels:
    if image.mode in ("RGB", "RGBA"):
        if depth == 16:
            raise MaskError("the mask has 16-bit colours; save it as 16-bit grey", field="mask")
        return _of_colours(np.asarray(image), limits)
    values = np.asarray(image).astype(np.int32)
    if image.mode in ("1", "P", "I;16", "I"):
        return values
    if image.mode == "L":
        # Pillow stretches 2- and 4-bit grey to 0..255; the labels are the numbers in the file.
        return values // (255 // (2**depth - 1)) if depth < 8 else values
    raise MaskError(f"the mask has {image.mode} pixels; save it as grey or palette PNG", field="mask")
