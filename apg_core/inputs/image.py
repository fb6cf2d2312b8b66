"""Image files into 8-bit sRGB arrays."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from apg_core.errors import ImageError
from apg_core.inputs.limits import InputLimits, check_limit, read_bytes
from apg_core.inputs.raster import open_raster
from apg_core.protocol.arrays import Image

FORMATS = ("PNG", "JPEG", "WEBP")


def read_image(source: Path | bytes, limits: InputLimits | None = None) -> Image:
    """Pixels of a PNG, JPEG or WebP, with a fourth channel where the file has transparency.

    Grey, palette, CMYK and 16-bit files become 8-bit RGB; EXIF orientation is applied; of an animation the
    first frame is taken; colour profiles are not applied.

    Raises:
        ImageError: another format, damaged, or without pixels.
        LimitError: more bytes or pixels than `limits` allow.
    """
    limits = limits or InputLimits()
    data = read_bytes(source, limits, field="image", refusal=ImageError)
    image = open_raster(data, limits, formats=FORMATS, field="image", refusal=ImageError)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling
        high_byte = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        image = Pillow.fromarray(high_byte)
    return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def check_image(image: Image, limits: InputLimits) -> Image:
    """The pixels, once they are known to be 8-bit RGB or RGBA.

    Raises:
        ImageError: another shape or type.
        LimitError: more pixels than `limits` allow.
    """
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or 0 in image.shape:
        raise ImageError(
            f"an image is rows x columns x 3 or 4 of uint8, got shape {image.shape} of {image.dtype}", field="image"
        )
    check_limit("image pixels", image.shape[0] * image.shape[1], limits.image_pixels, field="image")
    return image
