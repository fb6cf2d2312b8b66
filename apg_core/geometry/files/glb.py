"""Meshes as GLB: smooth normals with edges, materials in linear colours, looks to choose from as variants.

Our own writing, because trimesh's exporter knows one material a mesh, no variants, and no targets of buffer views.
Source: Khronos glTF 2.0 specification; extensions KHR_materials_variants and KHR_materials_unlit.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from apg_core.geometry.files.corners import distinct_corners, drawn_faces
from apg_core.geometry.files.gltf_buffer import MESHOPT, GltfBuffer
from apg_core.geometry.files.model import GENERATOR, FilePart, Model, Palette
from apg_core.geometry.shading import corner_normals
from apg_core.meshopt.codec import reordered
from apg_core.protocol.appearance import Material

_WRAPS = {"repeat": 10497, "mirror": 33648, "clamp": 33071}
_LINEAR, _LINEAR_MIPMAP_LINEAR = 9729, 9987
_VARIANTS, _UNLIT = "KHR_materials_variants", "KHR_materials_unlit"


def glb(parts: Sequence[FilePart], extras: Mapping[str, object] | None = None, *, packed: bool = False) -> bytes:
    """A file with a named node for each part, in their order; `extras` are those of the file.

    With `packed`, in meshoptimizer's packing, which loses nothing, but which not every reader knows.
    """
    return _Writer(parts, packed=packed).written(extras or {})


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The file of a model."""
    return [(f"{stem}.glb", glb(model.parts, model.extras, packed=model.packed))]


class _Writer:
    """The document of one file as it grows."""

    def __init__(self, parts: Sequence[FilePart], *, packed: bool) -> None:
        self._parts = parts
        self._buffer = GltfBuffer(packed=packed)
        self._palette = Palette()
        names = [name for part in parts if _choosable(part) for name in part.looks]
        self._variants = list(dict.fromkeys(names))

    def written(self, extras: Mapping[str, object]) -> bytes:
        meshes = [{"name": part.name, "primitives": list(self._primitives(part))} for part in self._parts]
        nodes = [
            {"name": part.name, "mesh": place} | ({"extras": dict(part.extras)} if part.extras else {})
            for place, part in enumerate(self._parts)
        ]
        asset: dict[str, object] = {"version": "2.0", "generator": GENERATOR}
        document: dict[str, object] = {
            "asset": asset | ({"extras": dict(extras)} if extras else {}),
            "scene": 0,
            "scenes": [{"nodes": list(range(len(nodes)))}],
            "nodes": nodes,
            "meshes": meshes,
            "materials": [_material(material) for material in self._palette.materials],
            **self._textures(),
            **self._extensions(),
        }
        document |= {"accessors": self._buffer.accessors, "bufferViews": self._buffer.views}
        document["buffers"] = self._buffer.buffers
        return _packed(document, bytes(self._buffer.content))

    def _primitives(self, part: FilePart) -> Iterator[dict[str, object]]:
        """One for each set of materials that faces have in the looks."""
        looks = part.looks if _choosable(part) else {"": part.look}
        drawn = drawn_faces(part.mesh.faces)
        normals = corner_normals(part.mesh)
        materials = np.stack([look.material for look in looks.values()], axis=1)
        kinds, kind = np.unique(materials, axis=0, return_inverse=True)
        order = np.flatnonzero(drawn)[np.argsort(kind.reshape(-1)[drawn], kind="stable")]
        for faces in np.split(order, np.flatnonzero(np.diff(kind.reshape(-1)[order])) + 1):
            own = kinds[kind.reshape(-1)[faces[0]]]
            places = {
                name: self._palette.place(look, int(material))
                for (name, look), material in zip(looks.items(), own, strict=True)
            }
            textured = any(self._palette.materials[place].texture is not None for place in places.values())
            primitive = self._geometry(part, faces, normals[faces], textured=textured)
            primitive["material"] = next(iter(places.values()))
            if len(places) > 1:
                mappings = [
                    {"material": place, "variants": [self._variants.index(name)]} for name, place in places.items()
                ]
                primitive["extensions"] = {_VARIANTS: {"mappings": mappings}}
            yield primitive

    def _geometry(
        self, part: FilePart, faces: Int[np.ndarray, " K"], normals: Float[np.ndarray, "K 3 3"], *, textured: bool
    ) -> dict[str, object]:
        corners = part.mesh.faces[faces].reshape(-1)
        rows: dict[str, np.ndarray] = {"NORMAL": normals.reshape(-1, 3).astype(np.float32)}
        uv, colours = part.uv, part.look.colours
        if textured and uv is not None:
            rows["TEXCOORD_0"] = uv[faces].reshape(-1, 2).astype(np.float32)
        if colours is not None:
            rows["COLOR_0"] = np.round(np.clip(colours[faces], 0, 1).reshape(-1, 4) * 65_535).astype(np.uint16)
        first, kind = distinct_corners(corners, list(rows.values()))
        triangles = kind.reshape(-1, 3)
        if self._buffer.packed:
            triangles, order = reordered(triangles, len(first))
            first = first[order]
        positions = part.mesh.vertices[corners[first]].astype(np.float32)
        attributes = {"POSITION": self._buffer.add_vertices(positions, bounds=True)}
        attributes |= {name: self._buffer.add_vertices(values[first]) for name, values in rows.items()}
        return {"attributes": attributes, "indices": self._buffer.add_indices(triangles)}

    def _textures(self) -> dict[str, object]:
        if not self._palette.textures:
            return {}
        samplers, images, textures = [], [], []
        for texture in self._palette.textures:
            sampler = {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _WRAPS[texture.wrap[0]],
                "wrapT": _WRAPS[texture.wrap[1]],
            }
            if sampler not in samplers:
                samplers.append(sampler)
            mime = "image/png" if texture.is_png else "image/jpeg"
            images.append({"bufferView": self._buffer.add_bytes(texture.content), "mimeType": mime})
            textures.append({"sampler": samplers.index(sampler), "source": len(images) - 1})
        return {"textures": textures, "images": images, "samplers": samplers}

    def _extensions(self) -> dict[str, object]:
        used = [_UNLIT] if any(material.unlit for material in self._palette.materials) else []
        told: dict[str, object] = {}
        if self._buffer.packed:
            used.append(MESHOPT)
            told["extensionsRequired"] = [MESHOPT]
        if self._variants:
            used.append(_VARIANTS)
            told["extensions"] = {_VARIANTS: {"variants": [{"name": name} for name in self._variants]}}
        return {"extensionsUsed": used, **told} if used else {}


def _choosable(part: FilePart) -> bool:
    """Whether its looks can be variants: colours of vertices would tint every one of them."""
    return len(part.looks) > 1 and all(look.colours is None for look in part.looks.values())


def _material(material: Material) -> dict[str, object]:
    base: dict[str, object] = {
        "baseColorFactor": [round(value, 6) for value in material.colour],
        "metallicFactor": material.metallic,
        "roughnessFactor": material.roughness,
    }
    if material.texture is not None:
        base["baseColorTexture"] = {"index": material.texture}
    known: dict[str, object] = {"name": material.name, "pbrMetallicRoughness": base}
    if material.alpha_mode != "OPAQUE":
        known["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        known["alphaCutoff"] = material.alpha_cutoff
    if material.double_sided:
        known["doubleSided"] = True
    if material.unlit:
        known["extensions"] = {_UNLIT: {}}
    return known


def _packed(document: Mapping[str, object], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
