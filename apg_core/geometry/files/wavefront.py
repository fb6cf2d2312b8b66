"""Meshes as OBJ with its materials (MTL) and textures beside it; an object a part.

Source: Wavefront's own description of OBJ and MTL; roughness and metallic as in the PBR extension of MTL (`Pr`, `Pm`).
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float, Int

from apg_core.geometry.files.corners import drawn_faces
from apg_core.geometry.files.model import GENERATOR, FilePart, Model, Palette
from apg_core.geometry.shading import corner_normals
from apg_core.protocol.appearance import Material, Texture, srgb, srgb_bytes


def write(stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The OBJ of a model, its MTL, and a file for each texture, which is called the same in every model."""
    palette = Palette()
    obj = [f"# {GENERATOR}\n# {model.frame.about}\nmtllib {stem}.mtl"]
    counts = np.zeros(3, int)
    for part in model.parts:
        counts += _add_object(obj, part, palette, counts)
    names = [texture_file(texture) for texture in palette.textures]
    mtl = [f"# {GENERATOR}", *(_material(place, one, names) for place, one in enumerate(palette.materials))]
    textures = [(name, texture.content) for name, texture in zip(names, palette.textures, strict=True)]
    return [(f"{stem}.obj", _text(obj)), (f"{stem}.mtl", _text(mtl)), *textures]


def texture_file(texture: Texture) -> str:
    """The name of a texture's file, which follows from its content."""
    ending = "png" if texture.is_png else "jpg"
    return f"texture_{hashlib.sha256(texture.content).hexdigest()[:8]}.{ending}"


def _add_object(obj: list[str], part: FilePart, palette: Palette, before: Int[np.ndarray, "3"]) -> Int[np.ndarray, "3"]:
    """Write a part after so many vertices, texture places and normals; how many of each it has."""
    mesh, look = part.mesh, part.look
    normals, normal = np.unique(np.round(corner_normals(mesh), 4).reshape(-1, 3), axis=0, return_inverse=True)
    obj.append(f"o {part.name}")
    rows = mesh.vertices.astype(np.float64)
    if look.colours is not None:  # after each vertex, which is where most readers look for them
        rows = np.concatenate([rows, _vertex_colours(look.colours, mesh.faces, len(rows))], axis=1)
    obj.extend(_lines("v", rows))
    obj.extend(_lines("vn", normals))
    counts = np.array([len(rows), 0, len(normals)])
    corners = [mesh.faces, None, normal.reshape(-1, 3)]
    if look.textured and look.uv is not None:
        places, place = np.unique(look.uv.reshape(-1, 2), axis=0, return_inverse=True)
        obj.extend(_lines("vt", np.stack([places[:, 0], 1 - places[:, 1]], axis=1)))
        counts[1], corners[1] = len(places), place.reshape(-1, 3)
    named = [one if one is None else one + shift + 1 for one, shift in zip(corners, before, strict=True)]
    drawn = drawn_faces(mesh.faces)
    for material in look.used:
        obj.append(f"usemtl {_name(palette.place(look, material), look.materials[material])}")
        obj.extend(_faces(named, np.flatnonzero((look.material == material) & drawn)))
    return counts


def _vertex_colours(
    colours: Float[np.ndarray, "F 3 4"], faces: Int[np.ndarray, "F 3"], count: int
) -> Float[np.ndarray, "V 3"]:
    owners = faces.reshape(-1)
    each = np.maximum(np.bincount(owners, minlength=count), 1)
    sums = [np.bincount(owners, colours[..., axis].reshape(-1), count) for axis in range(3)]
    return srgb(np.stack(sums, axis=1) / each[:, None])


def _faces(corners: Iterable[Int[np.ndarray, "F 3"] | None], some: Int[np.ndarray, " K"]) -> Iterator[str]:
    vertex, place, normal = (None if one is None else one[some].tolist() for one in corners)
    assert vertex is not None
    assert normal is not None
    if place is None:
        for v, n in zip(vertex, normal, strict=True):
            yield f"f {v[0]}//{n[0]} {v[1]}//{n[1]} {v[2]}//{n[2]}"
        return
    for v, t, n in zip(vertex, place, normal, strict=True):
        yield f"f {v[0]}/{t[0]}/{n[0]} {v[1]}/{t[1]}/{n[1]} {v[2]}/{t[2]}/{n[2]}"


def _lines(kind: str, rows: Float[np.ndarray, "N c"]) -> Iterator[str]:
    form = " ".join([kind, *["%.9g"] * rows.shape[1]])
    return (form % tuple(row) for row in rows.tolist())


def _material(place: int, material: Material, textures: list[str]) -> str:
    red, green, blue, alpha = (value / 255 for value in srgb_bytes(material.colour))
    lines = [
        f"newmtl {_name(place, material)}",
        f"Kd {red:.6g} {green:.6g} {blue:.6g}",
        "Ks 0 0 0",
        f"d {alpha:.6g}",
        f"Pr {material.roughness:.6g}",
        f"Pm {material.metallic:.6g}",
    ]
    if material.texture is not None:
        lines.append(f"map_Kd {textures[material.texture]}")
    return "\n".join(lines)


def _name(place: int, material: Material) -> str:
    """Unlike any other's, and of plain letters."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in material.name)
    return f"{plain or 'material'}_{place}"


def _text(lines: list[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()
