"""Which mesh format a file is in: what its content says, held against what its name says."""

import re
from typing import Literal, get_args

from apg_core.errors import MeshError
from apg_core.protocol.mode import INPUTS

MeshFormat = Literal["glb", "gltf", "obj", "ply", "stl", "off", "3mf", "zip"]
FORMATS: tuple[MeshFormat, ...] = get_args(MeshFormat)

STL_HEADER, STL_FACET = 84, 50  # bytes
_DIRECTORY = 2**20 + 2**16  # at the end of a zip, where its names are
_COMMENT = re.compile(rb"#[^\n]*")
_OFF = re.compile(rb"\s*(?:ST)?C?N?OFF\b")
_OBJ = re.compile(rb"^[ \t]*v[ \t]+[-+.\d]", re.MULTILINE)


def mesh_format(data: bytes, *, claimed: str | None) -> MeshFormat:
    """The format of a mesh file; `claimed` is its file ending, with or without a dot, any case.

    Raises:
        MeshError: not one of the formats, or another one than claimed.
    """
    ending = (claimed or "").lower().lstrip(".")
    found = _found_in(data)
    if found is None:
        named = next((name for name in FORMATS if name == ending), None)
        if named in ("stl", "obj", "off"):  # formats without a signature: let the reader say what is wrong
            return named
        what = f"is called .{ending} and is of no known format" if ending else "is of no known format"
        raise MeshError(f"the mesh file {what}; give {INPUTS['mesh'].accepted}", field="mesh")
    if ending in FORMATS and ending != found:
        raise MeshError(
            f"the mesh file is called .{ending} but holds {found.upper()}; rename it to .{found}", field="mesh"
        )
    return found


def _found_in(data: bytes) -> MeshFormat | None:
    if data.startswith(b"glTF"):
        return "glb"
    if data.startswith((b"PK\3\4", b"PK\5\6")):
        return "3mf" if b"[Content_Types].xml" in data[-_DIRECTORY:] else "zip"
    if data[:4] in (b"ply\n", b"ply\r"):
        return "ply"
    if len(data) >= STL_HEADER and len(data) == STL_HEADER + STL_FACET * stl_facets(data):
        return "stl"
    start = data[:4096].lstrip()
    if start.startswith((b"{", b"\xef\xbb\xbf{")):
        return "gltf"
    if start[:5].lower() == b"solid" and b"facet" in data[: 2**20].lower():
        return "stl"
    if _OFF.match(_COMMENT.sub(b"", data[:65_536])):
        return "off"
    return "obj" if _OBJ.search(data) and b"\0" not in data[:4096] else None


def stl_facets(data: bytes) -> int:
    """Triangles that a binary STL's header declares."""
    return int.from_bytes(data[80:84], "little")
