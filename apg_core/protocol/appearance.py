"""How a mesh looks: its materials, textures and colours, which are linear, as glTF has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.arrays import Image

AlphaMode = Literal["OPAQUE", "MASK", "BLEND"]
Wrap = Literal["repeat", "mirror", "clamp"]
Rgba = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Material:
    """What a face is made of: glTF's metallic-roughness model without its maps but that of the base colour."""

    name: str
    colour: Rgba = (1.0, 1.0, 1.0, 1.0)
    """Base colour, linear, with alpha; texture and vertex colours are multiplied with it."""
    texture: int | None = None
    """Place in the appearance's textures."""
    metallic: float = 0.0
    roughness: float = 0.6
    alpha_mode: AlphaMode = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    unlit: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Texture:
    """A picture to lay on faces, as pixels and as a file of them."""

    pixels: Image
    content: bytes
    """PNG or JPEG."""
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")
    """What is beyond its left and right, and beyond its top and bottom."""

    @property
    def is_png(self) -> bool:
        """Whether `content` is PNG; JPEG otherwise."""
        return self.content.startswith(b"\x89PNG")


@dataclass(frozen=True, eq=False, slots=True)
class Appearance:
    """The looks of the faces of one mesh, in their order."""

    materials: tuple[Material, ...]
    material: Int[np.ndarray, " F"]
    """Of each face, its place in `materials`."""
    uv: Float[np.ndarray, "F 3 2"] | None = None
    """Of each face's corners, the place in the texture: to the right and down from its top left corner, 1 its size."""
    colours: Float[np.ndarray, "F 3 4"] | None = None
    """Of each face's corners, linear, with alpha."""
    textures: tuple[Texture, ...] = ()
    notes: tuple[str, ...] = ()
    """What of the file's looks was left out, and why."""

    @classmethod
    def plain(cls, faces: int, material: Material) -> Self:
        """One material for that many faces."""
        return cls((material,), np.zeros(faces, np.int32))

    @property
    def textured(self) -> bool:
        """Whether any face has a texture."""
        return self.uv is not None and any(self.materials[place].texture is not None for place in self.used)

    @property
    def used(self) -> list[int]:
        """Places of the materials that faces have, ascending."""
        return np.unique(self.material).tolist()


def linear(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear light of sRGB values, both from 0 to 1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4)


def srgb(light: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """sRGB values of linear light, clipped to 0 to 1; the inverse of `linear`."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def linear_rgba(colour: Sequence[int]) -> Rgba:
    """Linear colour of sRGB bytes; alpha, where there is one, is linear already."""
    red, green, blue = linear(np.array(colour[:3], np.float64) / 255).tolist()
    return red, green, blue, colour[3] / 255 if len(colour) > 3 else 1.0


def srgb_bytes(colour: Sequence[float]) -> tuple[int, int, int, int]:
    """sRGB bytes of a linear colour with alpha; the inverse of `linear_rgba`."""
    red, green, blue = np.round(255 * srgb(np.array(colour[:3], np.float64))).astype(int).tolist()
    return red, green, blue, round(255 * min(max(colour[3], 0.0), 1.0))
