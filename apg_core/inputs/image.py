"""Image files into 8-bit sRGB arrays."""

from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image as Pillow

from apg_core.errors import ImageError
from apg_core.inputs.content import read_bytes
from apg_core.inputs.raster import open_raster, reduction
from apg_core.protocol.arrays import Image
from apg_core.protocol.limits import InputLimits, check_limit

_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")


def read_image(source: Path | bytes | Pillow.Image, limits: InputLimits | None = None) -> Image:
    """Pixels of a picture, with a fourth channel where it has transparency; `INPUTS` lists the file formats.

    Grey, palette, CMYK and 16-bit files become 8-bit RGB; EXIF orientation is applied; of an animation or a
    file of several pages the first is taken; colour profiles are not applied. One that is larger than `image_edge`
    is reduced by a whole number.

    Raises:
        ImageError: another format, damaged, or without pixels.
        LimitError: more bytes or pixels than `limits` allow.
    """
    limits = limits or InputLimits()
    data = source if isinstance(source, Pillow.Image) else read_bytes(source, limits, field="image", refusal=ImageError)
    image = open_raster(data, limits, field="image", refusal=ImageError)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling
        image = Pillow.fromarray((_sixteen_bits(image) >> 8).astype(np.uint8))
    if image.mode not in _MODES:
        raise ImageError(f"the image has {image.mode} pixels; save it as 8-bit RGB", field="image")
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return np.array(image.reduce(by) if (by := reduction(*image.size, limits)) > 1 else image)


def _sixteen_bits(image: Pillow.Image) -> Int[np.ndarray, "H W"]:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() >= 2**16:
        raise ImageError(f"the image has grey values up to {values.max():,}; save it as 8-bit RGB", field="image")
    return values


def check_image(pixels: np.ndarray, limits: InputLimits) -> Image:
    """The pixels, once they are known to be 8-bit RGB or RGBA, reduced like a file's.

    Raises:
        ImageError: another shape or type.
        LimitError: more pixels than `limits` allow.
    """
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ImageError(
            f"an image is rows x columns x 3 or 4 of uint8, got shape {pixels.shape} of {pixels.dtype}", field="image"
        )
    check_limit("image pixels", pixels.shape[0] * pixels.shape[1], limits.image_pixels, field="image")
    check_limit("pixels on an edge", max(pixels.shape[:2]), limits.image_side, field="image")
    by = reduction(pixels.shape[1], pixels.shape[0], limits)
    return pixels if by == 1 else np.array(Pillow.fromarray(pixels).reduce(by))
