"""Opening a picture file that may be hostile; what its pixels mean is decided in `image` and `mask`."""

import struct
import warnings
import zlib
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from apg_core.errors import InputError, LimitError
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mode import INPUTS, InputName

# First bytes of files that people send as pictures, to tell them what they have.
_KINDS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
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
# What Pillow's readers of the accepted formats raise on damaged files, found by fuzzing them.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError),
    *(KeyError, IndexError, TypeError, AttributeError, RuntimeError),
)


def open_raster(
    source: bytes | Image.Image, limits: InputLimits, *, field: InputName, refusal: type[InputError]
) -> Image.Image:
    """The first frame, decoded, turned upright by its EXIF orientation, in the file's own mode.

    A file must be of one of the formats that `INPUTS` lists for the field. The pixel count is checked on the
    header, before anything is decoded.

    Raises:
        LimitError: more pixels than allowed.
        InputError: of type `refusal`; another format, damaged, or without pixels.
    """
    kinds = INPUTS[field]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oversize and odd metadata: checked below, or of no concern
            image = source
            if isinstance(image, bytes):
                image = Image.open(BytesIO(image), formats=[name.upper() for name in kinds.formats])
            check_limit("pixels", image.width * image.height, limits.image_pixels, field=field)
            check_limit("pixels on an edge", max(image.size), limits.image_side, field=field)
            if field == "image" and isinstance(source, bytes):
                _draft(image, limits)
            image.load()
            upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise LimitError(f"{error}; the limit is {limits.image_pixels:,} pixels", field=field) from error
    except UnidentifiedImageError as error:
        kind = _kind(source) if isinstance(source, bytes) else None
        if kind in kinds.formats:
            raise refusal(f"the {field} is a damaged {kind} file; save it again", field=field) from error
        what = f"is a {kind} file" if kind else "is damaged or of another format"
        raise refusal(f"the {field} {what}; give {kinds.accepted}", field=field) from error
    except _DAMAGE as error:
        raise refusal(f"the {field} is damaged: {error}; save it again", field=field) from error
    if 0 in upright.size:
        raise refusal(f"the {field} has no pixels ({upright.width} x {upright.height})", field=field)
    return upright


def reduction(width: int, height: int, limits: InputLimits) -> int:
    """By what an image of this size is to be reduced, so that its longest edge is within `image_edge`."""
    return -(-max(width, height) // limits.image_edge)


def _draft(image: Image.Image, limits: InputLimits) -> None:
    """Let the decoder leave out detail that would be reduced away, where the format allows it (JPEG)."""
    by = reduction(image.width, image.height, limits)
    if by > 1:
        image.draft(None, (-(-image.width // by), -(-image.height // by)))


def _kind(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIC or video"
    return next((kind for magic, kind in _KINDS.items() if data.startswith(magic)), None)
