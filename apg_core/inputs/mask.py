"""Indexed mask files into label arrays."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from apg_core.errors import MaskError
from apg_core.inputs.limits import InputLimits, check_limit, read_bytes
from apg_core.inputs.raster import open_raster
from apg_core.protocol.arrays import Labels

FORMATS = ("PNG", "WEBP")  # no JPEG: it smears labels into each other
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_mask(source: Path | bytes, limits: InputLimits | None = None) -> Labels:
    """The label of every pixel: the grey value, or the index (not the colour) in a palette.

    Raises:
        MaskError: not a mask that has one number a pixel, damaged, or no label but zero.
        LimitError: more bytes, pixels or regions than `limits` allow.
    """
    limits = limits or InputLimits()
    data = read_bytes(source, limits, field="mask", refusal=MaskError)
    depth = data[24] if data.startswith(_PNG_SIGNATURE) and len(data) > 24 else 8
    labels = _labels(open_raster(data, limits, formats=FORMATS, field="mask", refusal=MaskError), depth=depth)
    return check_mask(labels, limits)


def check_mask(labels: Labels, limits: InputLimits) -> Labels:
    """The labels, once they are known to be some.

    Raises:
        MaskError: not one whole number a pixel, or no label but zero.
        LimitError: more regions than `limits` allow.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise MaskError(f"a mask is one whole number a pixel, got shape {labels.shape} of {labels.dtype}", field="mask")
    regions = int(np.count_nonzero(np.unique(labels)))
    if not regions:
        raise MaskError("the mask has no region: every pixel is 0, the background", field="mask")
    check_limit("mask regions", regions, limits.mask_regions, field="mask")
    return labels.astype(np.int32, copy=False)


def _labels(image: Pillow.Image, *, depth: int) -> Labels:
    values = np.asarray(image).astype(np.int32)
    if image.mode in ("1", "P", "I;16", "I"):
        return values
    if image.mode == "L":
        # Pillow stretches 2- and 4-bit grey to 0..255; the labels are the numbers in the file.
        return values // (255 // (2**depth - 1)) if depth < 8 else values
    if image.mode not in ("RGB", "RGBA"):
        raise MaskError(f"the mask has {image.mode} pixels; save it as grey or palette PNG", field="mask")
    if depth == 16:
        raise MaskError("the mask has 16-bit colours; save it as 16-bit grey", field="mask")
    if (values[..., :1] != values[..., 1:3]).any():
        raise MaskError(
            "the mask has colours, which name no part; save part numbers as grey values or palette indices",
            field="mask",
        )
    return values[..., 0]
