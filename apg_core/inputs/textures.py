"""The textures of a mesh file: pictures within limits. One that cannot be used is left out, and the mesh is not."""

import io
from collections.abc import Callable, Hashable

import numpy as np
from PIL import Image as Pillow

from apg_core.errors import ImageError, InputError, LimitError
from apg_core.inputs.raster import open_raster
from apg_core.protocol.appearance import Texture, Wrap
from apg_core.protocol.limits import InputLimits

_AS_THEY_ARE = {b"\x89PNG": ("RGB", "RGBA"), b"\xff\xd8\xff": ("RGB",)}
"""First bytes of files that go on as they are, where their pixels are of these kinds; others are written anew."""


class Textures:
    """Reads each picture of one file once, within what all of them may have."""

    def __init__(self, limits: InputLimits) -> None:
        self._limits = limits
        self._pixels_left = limits.texture_pixels
        self._read: dict[Hashable, tuple[np.ndarray, bytes] | None] = {}
        self.notes: list[str] = []
        """What was left out, and why."""

    def read(self, key: Hashable, fetch: Callable[[], bytes], wrap: tuple[Wrap, Wrap]) -> Texture | None:
        """The picture of this key, whose file `fetch` gives; None where it cannot be used."""
        if key not in self._read:
            self._read[key] = self._picture(fetch)
        found = self._read[key]
        return None if found is None else Texture(*found, wrap)

    def left_out(self, what: str) -> None:
        """Take a note of something that was left out, once."""
        if what not in self.notes and len(self.notes) < 20:
            self.notes.append(what)

    def _picture(self, fetch: Callable[[], bytes]) -> tuple[np.ndarray, bytes] | None:
        try:
            if len(self._read) >= self._limits.textures:
                raise LimitError(f"more than {self._limits.textures} of them", field="image")
            if self._pixels_left < 1:
                raise LimitError(f"more than {self._limits.texture_pixels:,} pixels in all", field="image")
            content = bytes(fetch())
            limits = self._limits.model_copy(update={"image_pixels": self._pixels_left})
            image = open_raster(content, limits, field="image", refusal=ImageError)
        except InputError as error:
            self.left_out(f"a texture was left out: {error.message}")
            return None
        self._pixels_left -= image.width * image.height
        return _pixels_and_file(image, content)


def as_texture(image: Pillow.Image) -> Texture:
    """A picture that is in memory, as a texture."""
    return Texture(*_pixels_and_file(image, b""))


def _pixels_and_file(image: Pillow.Image, content: bytes) -> tuple[np.ndarray, bytes]:
    modes = next((modes for magic, modes in _AS_THEY_ARE.items() if content.startswith(magic)), ())
    as_it_is = image.mode in modes
    if not as_it_is:
        if image.mode.startswith("I"):
            image = Pillow.fromarray((np.clip(np.asarray(image), 0, 65_535) >> 8).astype(np.uint8))
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        content = buffer.getvalue()
    return np.array(image), content
