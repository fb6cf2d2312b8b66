"""What a PLY declares, held against what is in it, before trimesh reads it.

Trimesh takes the number of a list's items from the first row for all of them, and asks nobody whether it is there.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from apg_core.errors import MeshError
from apg_core.inputs.plain_text import plain_text
from apg_core.protocol.limits import InputLimits, check_limit

_HEADER_BYTES = 65_536
_NUMBERS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


@dataclass
class _Property:
    item: np.dtype[np.generic]
    count: np.dtype[np.generic] | None = None
    """The type of a list's length; None for a single number."""


@dataclass
class _Element:
    name: str
    rows: int
    properties: list[_Property]


def checked_ply(data: bytes, limits: InputLimits) -> bytes:
    """The file, its text cut down to plain lines, once its lists are known to be as long as they say.

    Raises:
        MeshError: damaged or cut off.
        LimitError: more vertices or faces than `limits` allow.
    """
    header, end, _ = data[:_HEADER_BYTES].partition(b"end_header")
    if not end:
        raise MeshError("the PLY's header does not end; the file is cut off", field="mesh")
    elements = _elements(header)
    for element in elements:
        what, limit = ("faces", limits.mesh_faces) if element.name == "face" else ("vertices", limits.mesh_vertices)
        known = element.name in ("face", "vertex")
        check_limit(what if known else "PLY elements", element.rows, limit, field="mesh")
    if b"ascii" in header:
        text = plain_text(data)
        _check_text(text, elements)
        return text
    _check_binary(data, len(header) + len(end), elements, ">" if b"big_endian" in header else "<")
    return data


def _elements(header: bytes) -> list[_Element]:
    elements: list[_Element] = []
    for line in re.split(rb"[\r\n]+", header):
        match line.split():
            case [b"element", name, rows]:
                if not rows.isdigit():
                    raise MeshError(f"the PLY declares {rows[:20]!r} elements; export it again", field="mesh")
                elements.append(_Element(name.decode("latin-1"), int(rows[:18]), []))
            case [b"property", b"list", count, item, _] if elements:
                elements[-1].properties.append(_Property(_number(item), _number(count)))
            case [b"property", item, _] if elements:
                elements[-1].properties.append(_Property(_number(item)))
    for element in elements:
        for one in element.properties:
            if one.count is not None and one.count.kind == "f":
                raise MeshError(
                    f"the PLY counts the items of a {element.name} in {one.count}; export it again", field="mesh"
                )
    return elements


def _number(name: bytes) -> np.dtype[np.generic]:
    kind = _NUMBERS.get(name.decode("latin-1"))
    if kind is None:
        raise MeshError(f"the PLY has numbers of type {name[:20]!r}; export it again", field="mesh")
    return np.dtype(kind)


def _check_text(text: bytes, elements: list[_Element]) -> None:
    lines = text[text.index(b"end_header") :].split(b"\n")[1:]
    there = len(lines) - (lines[-1:] == [b""])
    declared = sum(element.rows for element in elements)
    if there != declared:
        raise MeshError(f"the PLY declares {declared:,} lines and has {there:,}; export it again", field="mesh")
    start = 0
    for element in elements:
        if any(one.count is not None for one in element.properties):
            for number, line in enumerate(lines[start : start + element.rows]):
                _check_line(line.split(), element, number)
        start += element.rows


def _check_line(numbers: list[bytes], element: _Element, row: int) -> None:
    place = 0
    for one in element.properties:
        if one.count is not None:
            items = numbers[place] if place < len(numbers) else b""
            place += int(items) if items.isdigit() and len(items) < 10 else len(numbers)
        place += 1
    if place != len(numbers):
        raise MeshError(
            f"{element.name} {row:,} of the PLY has {len(numbers)} numbers, not as many as it says; export it again",
            field="mesh",
        )


def _check_binary(data: bytes, start: int, elements: list[_Element], order: Literal["<", ">"]) -> None:
    """Every row of a list must be as long as the first one, which is all that is read after this."""
    start = data.index(b"\n", start) + 1 if b"\n" in data[start : start + 2] else start + 1
    for element in elements:
        offset, lists = 0, []
        for one in element.properties:
            if one.count is not None and element.rows:
                items = _item_count(data, start + offset, one.count.newbyteorder(order))
                lists.append((offset, one.count.newbyteorder(order), items))
                offset += one.count.itemsize + items * one.item.itemsize
            else:
                offset += one.item.itemsize
        if start + element.rows * offset > len(data):
            raise MeshError(
                f"the PLY is cut off, or its {element.name} rows differ in length, which is not read in binary; "
                "triangulate it, or export it again",
                field="mesh",
            )
        for at, kind, items in lists:
            counts = np.ndarray((element.rows,), kind, data, start + at, (offset,))
            if (counts != items).any():
                raise MeshError(
                    f"{element.name} rows of the PLY differ in length, which is not read in binary; triangulate it",
                    field="mesh",
                )
        start += element.rows * offset


def _item_count(data: bytes, place: int, kind: np.dtype[np.generic]) -> int:
    if place + kind.itemsize > len(data):
        raise MeshError("the PLY is cut off; export it again", field="mesh")
    items = int(np.frombuffer(data, kind, 1, place)[0])
    if not 0 <= items <= len(data):
        raise MeshError(f"the PLY says that a list has {items:,} items; export it again", field="mesh")
    return items
