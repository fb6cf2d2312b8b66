"""Opening a picture file that may be hostile; what its pixels mean is decided in `image` and `mask`."""

import struct
import warnings
import zlib
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from apg_core.errors import InputError, LimitError
from apg_core.inputs.limits import InputLimits, check_limit

# First bytes of pictures that people send and that are not read here, to tell them what they have.
_OTHER_KINDS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"8BPS": "PSD",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b"<?xml": "SVG or XML",
    b"qoif": "QOI",
    b"\x76\x2f\x31\x01": "EXR",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\0\0\1\0": "ICO",
    b"glTF": "GLB",
}
# What Pillow's PNG, JPEG and WebP readers raise on damaged files, found by fuzzing them.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError)


def open_raster(
    data: bytes, limits: InputLimits, *, formats: tuple[str, ...], field: str, refusal: type[InputError]
) -> Image.Image:
    """The first frame, decoded, turned upright by its EXIF orientation, in the file's own mode.

    The pixel count is checked on the header, before anything is decoded.

    Raises:
        LimitError: more pixels than allowed.
        InputError: of type `refusal`; another format, damaged, or without pixels.
    """
    names = ", ".join(formats)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oversize and odd metadata: checked below, or of no concern
            image = Image.open(BytesIO(data), formats=formats)
            check_limit("pixels", image.width * image.height, limits.image_pixels, field=field)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise LimitError(f"{error}; the limit is {limits.image_pixels:,} pixels", field=field) from error
    except UnidentifiedImageError as error:
        kind = _other_kind(data)
        what = f"is a {kind} file" if kind else "is damaged or of another format"
        raise refusal(f"the {field} {what}; give one of {names}", field=field) from error
    except _DAMAGE as error:
        raise refusal(f"the {field} is damaged: {error}; save it again", field=field) from error
    if 0 in upright.size:
        raise refusal(f"the {field} has no pixels ({upright.width} x {upright.height})", field=field)
    return upright


def _other_kind(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or video"
    return next((kind for magic, kind in _OTHER_KINDS.items() if data.startswith(magic)), None)
