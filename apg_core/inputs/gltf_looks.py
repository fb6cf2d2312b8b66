"""The looks of a glTF's triangles: base colours, their textures, and colours of vertices.

Nothing here refuses a file: what cannot be used is left out, and a note says so.
Source: Khronos glTF 2.0 specification, sections 3.8 (textures) and 3.9 (materials); KHR_texture_transform,
KHR_materials_unlit and EXT_texture_webp.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from apg_core.errors import MeshError
from apg_core.inputs.gltf_buffers import Buffers
from apg_core.inputs.textures import Textures
from apg_core.protocol.appearance import AlphaMode, Appearance, Material, Texture, Wrap
from apg_core.protocol.beside import Fetch, relative_name

Index = Annotated[int, Field(ge=0, lt=2**40)]
Share = Annotated[float, Field(ge=0, le=1)]
_WRAPS: dict[int, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}
_OTHER_MAPS = ("normal_texture", "occlusion_texture", "emissive_texture")
WHITE = Material("default")

ReadAttribute = Callable[[str], np.ndarray | None]
"""Rows of an attribute of this name, one a vertex; None where there is none."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, allow_inf_nan=False)


class _Transform(_Value):
    offset: tuple[float, float] = (0.0, 0.0)
    rotation: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    tex_coord: Index | None = None


class _InfoExtensions(_Value):
    transform: _Transform = Field(default=_Transform(), alias="KHR_texture_transform")


class _TextureInfo(_Value):
    index: Index
    tex_coord: Index = 0
    extensions: _InfoExtensions = _InfoExtensions()

    @property
    def attribute(self) -> str:
        own = self.extensions.transform.tex_coord
        return f"TEXCOORD_{self.tex_coord if own is None else own}"


class _Metallic(_Value):
    base_color_factor: tuple[Share, Share, Share, Share] = (1.0, 1.0, 1.0, 1.0)
    base_color_texture: _TextureInfo | None = None
    metallic_factor: Share = 1.0
    roughness_factor: Share = 1.0
    metallic_roughness_texture: Any = None


class _Material(_Value):
    name: str = "material"
    pbr: _Metallic = Field(default=_Metallic(), alias="pbrMetallicRoughness")
    alpha_mode: AlphaMode = "OPAQUE"
    alpha_cutoff: Share = 0.5
    double_sided: bool = False
    extensions: dict[str, Any] = {}
    normal_texture: Any = None
    occlusion_texture: Any = None
    emissive_texture: Any = None


class _Source(_Value):
    source: Index | None = None


class _TextureExtensions(_Value):
    webp: _Source = Field(default=_Source(), alias="EXT_texture_webp")


class _Texture(_Value):
    source: Index | None = None
    sampler: Index | None = None
    extensions: _TextureExtensions = _TextureExtensions()


class _Image(_Value):
    uri: str | None = None
    buffer_view: Index | None = None


class _Sampler(_Value):
    wrap_s: int = 10497
    wrap_t: int = 10497


class _Looks(_Value):
    materials: list[_Material] = []
    textures: list[_Texture] = []
    images: list[_Image] = []
    samplers: list[_Sampler] = []


class GltfLooks:
    """The looks that one document describes."""

    def __init__(self, text: bytes, buffers: Buffers, fetch: Fetch | None, textures: Textures) -> None:
        self._buffers, self._fetch, self._textures = buffers, fetch, textures
        self._materials: dict[int, tuple[Material, Texture | None]] = {}
        try:
            self._document = _Looks.model_validate_json(text)
        except ValidationError as error:
            where = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
            textures.left_out(f"the materials were left out: damaged at {where[:60]}")
            self._document = _Looks()

    def look(self, number: object, faces: Int[np.ndarray, "F 3"], read: ReadAttribute) -> Appearance | None:
        """Of a primitive with the material of this number; None where nothing is said of it."""
        material, texture = self._material(number)
        colours = self._colours(read("COLOR_0"))
        uv = None
        if texture is not None and isinstance(number, int):
            info = self._document.materials[number].pbr.base_color_texture
            assert info is not None
            uv = self._places(info, read(info.attribute))
        if uv is None:
            material, texture = _without_texture(material), None
        if material is WHITE and colours is None and not self._textures.notes:
            return None
        return Appearance(
            materials=(material,),
            material=np.zeros(len(faces), np.int32),
            uv=None if uv is None else uv[faces],
            colours=None if colours is None else colours[faces],
            textures=() if texture is None else (texture,),
            notes=tuple(self._textures.notes),
        )

    def _material(self, number: object) -> tuple[Material, Texture | None]:
        if not isinstance(number, int) or not 0 <= number < len(self._document.materials):
            return WHITE, None
        if number not in self._materials:
            self._materials[number] = self._read_material(self._document.materials[number])
        return self._materials[number]

    def _read_material(self, given: _Material) -> tuple[Material, Texture | None]:
        for name in _OTHER_MAPS:
            if getattr(given, name) is not None:
                self._textures.left_out(f"a material's {name.replace('_', ' ')} was left out")
        pbr, mapped = given.pbr, given.pbr.metallic_roughness_texture is not None
        if mapped:
            self._textures.left_out("a material's metallic-roughness texture was left out")
        texture = None if pbr.base_color_texture is None else self._texture(pbr.base_color_texture.index)
        material = Material(
            name=given.name[:80] or "material",
            colour=pbr.base_color_factor,
            texture=None if texture is None else 0,
            # The factors of a map that is not there would make everything a mirror.
            metallic=0.0 if mapped else pbr.metallic_factor,
            roughness=pbr.roughness_factor,
            alpha_mode=given.alpha_mode,
            alpha_cutoff=given.alpha_cutoff,
            double_sided=given.double_sided,
            unlit="KHR_materials_unlit" in given.extensions,
        )
        return material, texture

    def _texture(self, number: int) -> Texture | None:
        document = self._document
        try:
            texture = document.textures[number]
            source = texture.extensions.webp.source if texture.source is None else texture.source
            if source is None:
                self._textures.left_out("a texture was left out: it is in a format that is not read, such as KTX2")
                return None
            sampler = _Sampler() if texture.sampler is None else document.samplers[texture.sampler]
            image = document.images[source]
        except IndexError:
            self._textures.left_out("a texture was left out: the glTF does not have it")
            return None
        wrap = _WRAPS.get(sampler.wrap_s, "repeat"), _WRAPS.get(sampler.wrap_t, "repeat")
        return self._textures.read(source, lambda: self._content(image), wrap)

    def _content(self, image: _Image) -> bytes:
        try:
            if image.buffer_view is not None:
                return bytes(self._buffers.view(image.buffer_view))
            kind, _, payload = (image.uri or "").partition(",")
            if kind.startswith("data:") and kind.endswith(";base64"):
                return base64.b64decode(payload)
        except (binascii.Error, LookupError, ValueError) as error:
            raise MeshError(f"its bytes cannot be had ({error})", field="mesh") from error
        if self._fetch is None:
            raise MeshError(
                f"it is in another file ({(image.uri or '')[:60]!r}); export as GLB, or send both in one zip",
                field="mesh",
            )
        return self._fetch(relative_name(image.uri or ""))

    def _places(self, info: _TextureInfo, rows: np.ndarray | None) -> Float[np.ndarray, "V 2"] | None:
        if rows is None or rows.ndim != 2 or rows.shape[1] != 2 or not np.isfinite(rows).all():
            self._textures.left_out("a texture was left out: its places on the mesh are not there or damaged")
            return None
        transform = info.extensions.transform
        u, v = (rows * np.array(transform.scale)).T
        cos, sin = np.cos(transform.rotation), np.sin(transform.rotation)
        turned = np.stack([cos * u + sin * v, cos * v - sin * u], axis=1)
        return (turned + np.array(transform.offset)).astype(np.float32)

    def _colours(self, rows: np.ndarray | None) -> Float[np.ndarray, "V 4"] | None:
        if rows is None:
            return None
        if rows.ndim != 2 or rows.shape[1] not in (3, 4) or not np.isfinite(rows).all():
            self._textures.left_out("the colours of vertices were left out: damaged")
            return None
        colours = np.ones((len(rows), 4), np.float32)
        colours[:, : rows.shape[1]] = np.clip(rows, 0, 1)
        return None if (colours == 1).all() else colours


def _without_texture(material: Material) -> Material:
    if material.texture is None:
        return material
    return replace(material, texture=None)
