"""A table with a checkerboard on its top: an object whose parts should keep their looks."""

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import FilePart
from apg_core.inputs.textures import as_texture
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import table

Change = Callable[[dict[str, Any]], object]
"""Of a glTF's document, in place."""

CELLS, CELL = 8, 16
DARK, LIGHT, LEGS = (30, 60, 140), (240, 220, 170), (150, 60, 30)


def checkerboard() -> Image.Image:
    """`CELLS` squares of `CELL` pixels an edge, light in the top left corner."""
    rows, columns = np.indices((CELLS, CELLS))
    pixels = np.where(((rows + columns) % 2 == 0)[..., None], LIGHT, DARK).astype(np.uint8)
    return Image.fromarray(pixels.repeat(CELL, axis=0).repeat(CELL, axis=1))


def seen_from_above(mesh: TriangleMesh) -> np.ndarray:
    """Texture places of each corner: the box of the mesh on the whole picture, x to the right, z down."""
    low, high = mesh.bounds
    places = (mesh.vertices - low) / (high - low)
    return places[mesh.faces][..., [0, 2]].astype(np.float32)


def checkered(mesh: TriangleMesh) -> Appearance:
    """The checkerboard on a mesh, from above."""
    cloth = Material("cloth", (1.0, 1.0, 1.0, 1.0), texture=0, roughness=0.8)
    number = np.zeros(len(mesh.faces), np.int32)
    return Appearance((cloth,), number, uv=seen_from_above(mesh), textures=(as_texture(checkerboard()),))


def textured_table() -> TriangleMesh:
    """A checkered top on four brown legs, five solids in one mesh."""
    top, *legs = table()
    brown = Material("wood", linear_rgba((*LEGS, 255)))
    dressed = [TriangleMesh(leg.vertices, leg.faces, look=Appearance.plain(len(leg.faces), brown)) for leg in legs]
    return TriangleMesh.joined([TriangleMesh(top.vertices, top.faces, look=checkered(top)), *dressed])


def textured_table_glb() -> bytes:
    """That as a file."""
    mesh = textured_table()
    assert mesh.look is not None
    return glb([FilePart("table", mesh, {"input": mesh.look})])


def changed(data: bytes, change: Change) -> bytes:
    """A GLB with its document changed."""
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    change(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON") + text + rest


def bomb() -> bytes:
    """A PNG of a hundred bytes that declares 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def with_image(content: bytes) -> Change:
    uri = "data:image/png;base64," + base64.b64encode(content).decode()
    return lambda document: document["images"].__setitem__(0, {"uri": uri})
