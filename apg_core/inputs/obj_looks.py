"""The looks of an OBJ: materials of the MTL that is beside it, their textures, and colours of vertices.

Nothing here refuses a file: what cannot be used is left out, and a note says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from apg_core.errors import InputError
from apg_core.inputs.plain_text import plain_text
from apg_core.inputs.textures import Textures
from apg_core.protocol.appearance import Appearance, Material, Texture, linear
from apg_core.protocol.arrays import FaceArray
from apg_core.protocol.beside import Fetch, relative_name
from apg_core.protocol.limits import InputLimits, check_limit

_LINES = re.compile(rb"^(?:f|vt|usemtl|mtllib) [^\n]*$", re.MULTILINE)
_NOISE = re.compile(rb"#[^\r\n]*|\\\r?\n")
_CORNER = re.compile(rb" -?\d+(?:/(-?\d*)(?:/-?\d*)?)?")
_NO_PLACE = re.compile(rb" \.(?= |$)")
_MOST_MATERIALS = 10_000
_WHITE = Material("default")


@dataclass(frozen=True, slots=True)
class Polygons:
    """How the faces of an OBJ came out of its polygons: for each corner, its place among all corners of polygons."""

    corners: FaceArray
    sizes: Int[np.ndarray, " L"]
    """Corners of each polygon."""

    @property
    def polygon(self) -> Int[np.ndarray, " F"]:
        """Of each face."""
        owner = np.repeat(np.arange(len(self.sizes)), self.sizes)
        return owner[self.corners[:, 0]]


def vertex_colours(rows: Float[np.ndarray, "V 3"], faces: FaceArray) -> Float[np.ndarray, "F 3 4"] | None:
    """Of the corners of faces, from sRGB values at the vertices, from 0 to 1; None where they are no colours."""
    if not np.isfinite(rows).all() or rows.min(initial=0) < 0 or rows.max(initial=0) > 1:
        return None
    colours = np.ones((len(rows), 4), np.float32)
    colours[:, :3] = linear(rows)
    return colours[faces]


def read_looks(data: bytes, polygons: Polygons, limits: InputLimits, fetch: Fetch) -> Appearance | None:
    """What the OBJ says of its polygons' materials; None where that is nothing."""
    lines: list[bytes] = _LINES.findall(plain_text(_NOISE.sub(b" ", data)))
    textures = Textures(limits)
    library = _library([line[7:] for line in lines if line.startswith(b"mtllib ")], fetch, textures)
    if not library and not textures.notes:
        return None
    names = {b"": _WHITE, **{name: material for name, (material, _) in library.items()}}
    uses = [line[7:] if line.startswith(b"usemtl ") else None for line in lines]
    numbers = {name: place for place, name in enumerate(names)}
    current, of_polygon = 0, []
    for line, use in zip(lines, uses, strict=True):
        if use is not None:
            current = numbers.get(use, 0)
        elif line.startswith(b"f "):
            of_polygon.append(current)
    pictures = [texture for _, texture in library.values()]
    used = list(dict.fromkeys(id(one) for one in pictures if one is not None))
    by_id = {id(one): one for one in pictures if one is not None}
    materials = [_WHITE] + [
        replace(material, texture=None if texture is None else used.index(id(texture)))
        for material, texture in library.values()
    ]
    try:
        uv = _places(lines, polygons, limits) if used else None
    except (ValueError, IndexError, InputError):
        uv = None
        textures.left_out("the textures were left out: their places on the mesh are damaged")
    if uv is None:
        materials, used = [replace(material, texture=None) for material in materials], []
    return Appearance(
        materials=tuple(materials),
        material=np.array(of_polygon, np.int32)[polygons.polygon],
        uv=uv,
        textures=tuple(by_id[key] for key in used),
        notes=tuple(textures.notes),
    )


def _places(lines: list[bytes], polygons: Polygons, limits: InputLimits) -> Float[np.ndarray, "F 3 2"] | None:
    is_place = np.array([line.startswith(b"vt") for line in lines], bool)
    is_face = np.array([line.startswith(b"f ") for line in lines], bool)
    check_limit("texture places", int(is_place.sum()), limits.mesh_vertices, field="mesh")
    if not is_place.any():
        return None
    rows = [line.split()[1:3] for line, own in zip(lines, is_place, strict=True) if own]
    places = np.array([(0.0, 0.0)] + [(float(u), 1 - float(*v)) if v else (float(u), 1.0) for u, *v in rows])
    text = b"\n".join([line[1:] for line, own in zip(lines, is_face, strict=True) if own])
    marked = re.sub(_NO_PLACE, b" 0.", _CORNER.sub(rb" \g<1>.", text).replace(b"\n", b" "))
    corners = np.array(marked.split(), np.float64).astype(np.int64)
    above = np.repeat(np.cumsum(is_place)[is_face], polygons.sizes)
    corners = np.where(corners < 0, above + corners + 1, corners)
    if len(corners) != polygons.sizes.sum() or corners.min(initial=0) < 0 or not np.isfinite(places).all():
        raise ValueError("places that there are not")
    return places[corners][polygons.corners].astype(np.float32)


def _library(names: list[bytes], fetch: Fetch, textures: Textures) -> dict[bytes, tuple[Material, Texture | None]]:
    """Every material of these files by its name."""
    found: dict[bytes, tuple[Material, Texture | None]] = {}
    for name in dict.fromkeys(names):
        try:
            content = fetch(relative_name(name.decode("ascii", "replace")))
        except InputError as error:
            textures.left_out(f"the materials were left out: {error.message}")
            continue
        for entry in _entries(content):
            if len(found) >= _MOST_MATERIALS:
                textures.left_out(f"materials beyond {_MOST_MATERIALS:,} were left out")
                break
            found[entry[0][1]] = _material(entry, fetch, textures)
    return found


def _entries(content: bytes) -> Iterator[list[tuple[bytes, bytes]]]:
    """The lines of each material: first word, and the rest."""
    entry: list[tuple[bytes, bytes]] = []
    for line in plain_text(_NOISE.sub(b" ", content)).split(b"\n"):
        word, _, rest = line.partition(b" ")
        if word == b"newmtl":
            if entry:
                yield entry
            entry = [(word, rest)]
        elif entry:
            entry.append((word, rest))
    if entry:
        yield entry


def _material(entry: list[tuple[bytes, bytes]], fetch: Fetch, textures: Textures) -> tuple[Material, Texture | None]:
    said = dict(reversed(entry))
    name = said[b"newmtl"].decode("ascii", "replace")[:80] or "material"
    try:
        red, green, blue = ([float(value) for value in said.get(b"Kd", b"1 1 1").split()] * 3)[:3]
        alpha = float(said[b"d"]) if b"d" in said else 1 - float(said.get(b"Tr", b"0"))
        shine = [min(max(float(said.get(word, default)), 0), 1) for word, default in ((b"Pm", b"0"), (b"Pr", b"0.6"))]
        colour = np.clip([red, green, blue, alpha], 0, 1)
    except ValueError:
        textures.left_out(f"the colour of material {name!r} was left out: damaged")
        return Material(name), None
    if not np.isfinite(colour).all():
        return Material(name), None
    red, green, blue = linear(colour[:3]).tolist()
    material = Material(
        name,
        (red, green, blue, float(colour[3])),
        metallic=shine[0],
        roughness=shine[1],
        alpha_mode="OPAQUE" if colour[3] == 1 else "BLEND",
    )
    picture = said.get(b"map_Kd")
    if picture is None:
        return material, None
    file = picture.split(b" -")[0].decode("ascii", "replace")
    if file.startswith("-"):
        textures.left_out(f"the texture of material {name!r} was left out: its options are not read")
        return material, None
    return material, textures.read(file, lambda: fetch(relative_name(file.replace("\\", "/"))), ("repeat", "repeat"))
