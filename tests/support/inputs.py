"""Small inputs as files: a picture, its mask, a mesh."""

import io

import numpy as np
import trimesh
from PIL import Image


def png(width: int = 64, height: int = 64, *, colour: tuple[int, int, int] = (200, 60, 30)) -> bytes:
    """A coloured block on transparent ground."""
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[height // 4 : -height // 4, width // 4 : -width // 4] = (*colour, 255)
    return _encoded(Image.fromarray(pixels))


def mask_png(regions: int = 2, *, size: int = 64) -> bytes:
    """Upright stripes in the middle, numbered from 1."""
    labels = np.zeros((size, size), np.uint8)
    stripes = np.array_split(np.arange(size // 4, size - size // 4), regions)
    for number, columns in enumerate(stripes, start=1):
        labels[size // 4 : -size // 4, columns] = number
    return _encoded(Image.fromarray(labels))


def two_blocks_png() -> bytes:
    """Two blocks of different colours on white."""
    pixels = np.full((96, 128, 3), 255, np.uint8)
    pixels[20:76, 16:56], pixels[20:76, 72:112] = (200, 40, 40), (40, 60, 200)
    return _encoded(Image.fromarray(pixels))


def blank_png(size: int = 8) -> bytes:
    """Nothing but zeros."""
    return _encoded(Image.fromarray(np.zeros((size, size), np.uint8)))


def box_glb() -> bytes:
    """A box with sides 1, 0.5 and 0.25."""
    content: bytes = trimesh.creation.box((1, 0.5, 0.25)).export(file_type="glb")
    return content


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
