"""Triangles in Draco's packing (KHR_draco_mesh_compression).

Source: Draco bitstream specification 2.2, sections 5 (header) and 6 (connectivity).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from apg_core.errors import MeshError

_MESH, _SEQUENTIAL, _EDGEBREAKER = 1, 0, 1
_HAS_METADATA = 0x8000
_VERSION = (2, 2)
_LOOKS = ("COLOR_0", "TEXCOORD_0", "TEXCOORD_1")


@dataclass(frozen=True, eq=False, slots=True)
class Unpacked:
    """Positions, three corners a face, and rows of other attributes by their names in the glTF."""

    vertices: Float[np.ndarray, "V 3"]
    corners: Int[np.ndarray, " K"]
    attributes: Mapping[str, np.ndarray]


def unpacked(data: memoryview, *, vertices: int, corners: int, attributes: Mapping[str, int]) -> Unpacked:
    """What is packed; no more of it than declared, which its header must say too.

    `attributes` has Draco's ids of the attributes.

    Raises:
        MeshError: damaged, or more than declared; or DracoPy is not installed.
    """
    try:
        import DracoPy  # five megabytes that few files need
    except ImportError as error:
        raise MeshError(
            "the glTF is compressed with Draco; install DracoPy, or export without compression", field="mesh"
        ) from error
    content = bytes(data)
    try:
        faces = _declared_faces(content, at_most=corners // 3)
        mesh = DracoPy.decode(content)
        points = np.asarray(mesh.get_attribute_by_unique_id(attributes["POSITION"])["data"], np.float64)
        triangles = np.asarray(mesh.faces, np.int64)
    except (DracoPy.FileTypeException, ValueError, IndexError, KeyError, TypeError) as error:
        raise MeshError(
            f"the Draco-compressed triangles are damaged: {error}; export it again", field="mesh"
        ) from error
    if len(points) > vertices or points.shape[1:] != (3,) or triangles.shape != (faces, 3):
        raise MeshError(
            f"the Draco-compressed triangles have {len(points):,} vertices, {vertices:,} are declared; export it again",
            field="mesh",
        )
    rows = {name: _rows(mesh, place, len(points)) for name, place in attributes.items() if name in _LOOKS}
    return Unpacked(points, triangles.reshape(-1), {name: one for name, one in rows.items() if one is not None})


def _rows(mesh: Any, place: int, count: int) -> np.ndarray | None:
    """Rows of an attribute of looks, whole numbers as shares of the largest; None where there are none."""
    try:
        rows = np.asarray(mesh.get_attribute_by_unique_id(place)["data"])
    except (ValueError, IndexError, KeyError, TypeError):
        return None
    if rows.ndim != 2 or len(rows) != count:
        return None
    return rows.astype(np.float64) if rows.dtype.kind == "f" else rows / np.iinfo(rows.dtype).max


def _declared_faces(data: bytes, *, at_most: int) -> int:
    """Faces that the header tells of; an IndexError or a ValueError where it is none, or tells of more."""
    kind, method, flags = data[7], data[8], int.from_bytes(data[9:11], "little")
    if data[:5] != b"DRACO" or (data[5], data[6]) != _VERSION or kind != _MESH or flags & _HAS_METADATA:
        raise ValueError("not a mesh of Draco 2.2 without metadata")
    if method not in (_SEQUENTIAL, _EDGEBREAKER):
        raise ValueError(f"method {method}")
    # Edgebreaker has the kind of traversal and the number of vertices before that of faces.
    place = 11 if method == _SEQUENTIAL else _varint(data, 12)[1]
    faces, _ = _varint(data, place)
    if faces > at_most:
        raise ValueError(f"{faces:,} faces in it, {at_most:,} declared")
    return faces


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and where it ends."""
    value = 0
    for place in range(5):
        byte = data[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError("a number without end")
