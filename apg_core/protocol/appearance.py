"""How a mesh looks: its materials, textures and colours, which are linear, as glTF has them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.arrays import Image

AlphaMode = Literal["OPAQUE", "MASK", "BLEND"]
Wrap = Literal["repeat", "mirror", "clamp"]
Rgba = tuple[float, float, float, float]
_GREY = 0.01  # difference of channels, linear, up to which a colour is one


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

    def turned_round(self) -> Self:
        """For faces whose corners come in reverse order."""
        uv = None if self.uv is None else self.uv[:, ::-1]
        return replace(self, uv=uv, colours=None if self.colours is None else self.colours[:, ::-1])

    def of_faces(self, faces: Int[np.ndarray, " K"]) -> Self:
        """Of these faces alone."""
        uv = None if self.uv is None else self.uv[faces]
        colours = None if self.colours is None else self.colours[faces]
        return replace(self, material=self.material[faces], uv=uv, colours=colours)

    def without_unused(self) -> Self:
        """Without materials that no face has."""
        used, number = np.unique(self.material, return_inverse=True)
        materials = tuple(self.materials[place] for place in used)
        return replace(self, materials=materials, material=number.reshape(-1).astype(np.int32))

    @property
    def says_something(self) -> bool:
        """Whether it is more than one grey all over, which is what exporters write where nobody has chosen a colour."""
        if self.textured or self.colours is not None:
            return True
        colours = {self.materials[place].colour for place in self.used}
        return len(colours) > 1 or any(max(colour[:3]) - min(colour[:3]) > _GREY for colour in colours)

    @property
    def textured(self) -> bool:
        """Whether any face has a texture."""
        return self.uv is not None and any(self.materials[place].texture is not None for place in self.used)

    @property
    def used(self) -> list[int]:
        """Places of the materials that faces have, ascending."""
        return np.unique(self.material).tolist()


def joined_looks(looks: Sequence[tuple[Appearance | None, int]]) -> Appearance | None:
    """The looks of meshes laid over each other, each with its number of faces; white where one has none."""
    if all(look is None for look, _ in looks):
        return None
    known = [look or Appearance.plain(faces, Material("default")) for look, faces in looks]
    textures = {id(texture): texture for look in known for texture in look.textures}
    place_of = {key: place for place, key in enumerate(textures)}
    materials: dict[Material, int] = {}
    numbers = []
    for look in known:
        own = [
            replace(one, texture=None if one.texture is None else place_of[id(look.textures[one.texture])])
            for one in look.materials
        ]
        places = np.array([materials.setdefault(one, len(materials)) for one in own], np.int32)
        numbers.append(places[look.material])
    return Appearance(
        materials=tuple(materials),
        material=np.concatenate(numbers),
        uv=_joined([look.uv for look in known], numbers, 2, 0.0),
        colours=_joined([look.colours for look in known], numbers, 4, 1.0),
        textures=tuple(textures.values()),
        notes=tuple(dict.fromkeys(note for look in known for note in look.notes)),
    )


def _joined(
    values: Sequence[np.ndarray | None], faces: Sequence[np.ndarray], width: int, neutral: float
) -> np.ndarray | None:
    if all(value is None for value in values):
        return None
    filled = [
        np.full((len(own), 3, width), neutral, np.float32) if value is None else value
        for value, own in zip(values, faces, strict=True)
    ]
    return np.concatenate(filled)


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
