"""Rows of vertices and corners of triangles, packed and unpacked.

Source: glTF extensions EXT_meshopt_compression and KHR_meshopt_compression (modes, filters, what strides they take).
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from apg_core.meshopt.machine import Machine

Mode = Literal["ATTRIBUTES", "TRIANGLES", "INDICES"]
Filter = Literal["NONE", "OCTAHEDRAL", "QUATERNION", "EXPONENTIAL", "COLOR"]

_DECODERS: dict[Mode, str] = {
    "ATTRIBUTES": "meshopt_decodeVertexBuffer",
    "TRIANGLES": "meshopt_decodeIndexBuffer",
    "INDICES": "meshopt_decodeIndexSequence",
}
_FILTERS: dict[Filter, str] = {
    "OCTAHEDRAL": "meshopt_decodeFilterOct",
    "QUATERNION": "meshopt_decodeFilterQuat",
    "EXPONENTIAL": "meshopt_decodeFilterExp",
    "COLOR": "meshopt_decodeFilterColor",
}
_LARGEST_STRIDE = 256
_INDEX_STRIDES = (2, 4)
_VERTEX_VERSION, _VERTEX_LEVEL = 0, 2  # the version that EXT_meshopt_compression allows
_INDEX_VERSION = 1
_SHARED_EXPONENT = 1  # one for each component of a row's vector


def decode(data: bytes, *, count: int, stride: int, mode: Mode, filtered: Filter = "NONE") -> bytes:
    """The `count` rows of `stride` bytes each.

    Memory and work are in proportion to what is declared here, whatever the data say.

    Raises:
        ValueError: damaged, or the numbers do not go with the mode or the filter.
    """
    _check_numbers(count, stride, mode, filtered)
    if not count:
        return b""
    # Filters go over groups of four rows.
    size = (count + 3) // 4 * 4 * stride
    machine = Machine("decoder", room=size + len(data))
    target, source = machine.take(size), machine.put(data)
    status = machine.call(_DECODERS[mode], target, count, stride, source, len(data))
    if status:
        raise ValueError(f"the {mode.lower()} are damaged (status {status})")
    if filtered != "NONE":
        machine.call(_FILTERS[filtered], target, (count + 3) // 4 * 4, stride)
    return machine.bytes_at(target, count * stride)


def _check_numbers(count: int, stride: int, mode: Mode, filtered: Filter) -> None:
    vertices = mode == "ATTRIBUTES"
    fits = {
        "NONE": True,
        "OCTAHEDRAL": stride in (4, 8),
        "QUATERNION": stride == 8,
        "EXPONENTIAL": stride % 4 == 0,
        "COLOR": stride in (4, 8),
    }
    if vertices and not (0 < stride <= _LARGEST_STRIDE and stride % 4 == 0):
        raise ValueError(f"vertices of {stride} bytes; a multiple of 4 up to {_LARGEST_STRIDE} is allowed")
    if not vertices and stride not in _INDEX_STRIDES:
        raise ValueError(f"indices of {stride} bytes; 2 or 4 are allowed")
    if mode == "TRIANGLES" and count % 3:
        raise ValueError(f"{count:,} corners are not three a triangle")
    if filtered != "NONE" and not (vertices and fits[filtered]):
        raise ValueError(f"filter {filtered} does not go with {mode.lower()} of {stride} bytes")


def encode_vertices(rows: np.ndarray) -> bytes:
    """Rows of any numbers, two-dimensional, packed without loss; a row's bytes are a multiple of 4, at most 256.

    Raises:
        ValueError: rows of another size.
    """
    count, stride = rows.shape[0], rows.shape[1] * rows.itemsize
    _check_numbers(count, stride, "ATTRIBUTES", "NONE")
    return _encoded(
        "meshopt_encodeVertexBufferLevel",
        np.ascontiguousarray(rows).tobytes(),
        ("meshopt_encodeVertexBufferBound", count, stride),
        (count, stride, _VERTEX_LEVEL, _VERTEX_VERSION),
    )


def encode_triangles(faces: Int[np.ndarray, "F 3"]) -> bytes:
    """Three corners a face, packed: the faces keep their order and side, but may begin at another corner.

    Faces that follow each other's edges, and vertices in the order of their first use, pack best: `reordered`.
    """
    corners = np.ascontiguousarray(faces, "<u4")
    return _encoded(
        "meshopt_encodeIndexBuffer",
        corners.tobytes(),
        ("meshopt_encodeIndexBufferBound", corners.size, int(corners.max(initial=0)) + 1),
        (corners.size,),
    )


def encode_indices(indices: Int[np.ndarray, " K"]) -> bytes:
    """Any run of indices, packed in its order.

    Raises:
        ValueError: an index of 2^30 or more, which the packing has no room for.
    """
    if indices.size and not 0 <= indices.min() <= indices.max() < 2**30:
        raise ValueError(f"indices from {indices.min():,} to {indices.max():,}; they must be in 0 to 2^30 - 1")
    corners = np.ascontiguousarray(indices, "<u4")
    return _encoded(
        "meshopt_encodeIndexSequence",
        corners.tobytes(),
        ("meshopt_encodeIndexSequenceBound", corners.size, int(corners.max(initial=0)) + 1),
        (corners.size,),
    )


def exponential(rows: Float[np.ndarray, "V C"], *, bits: int) -> np.ndarray:
    """Floats as the EXPONENTIAL filter wants them, each row to `bits` (1 to 24) of its largest component.

    Pack the result with `encode_vertices`, and name the filter.
    """
    values = np.ascontiguousarray(rows, "<f4")
    machine = Machine("encoder", room=2 * values.nbytes)
    target, source = machine.take(values.nbytes), machine.put(values.tobytes())
    stride = values.shape[1] * 4
    machine.call("meshopt_encodeFilterExp", target, len(values), stride, bits, source, _SHARED_EXPONENT)
    return np.frombuffer(machine.bytes_at(target, values.nbytes), "<u4").reshape(values.shape)


def reordered(faces: Int[np.ndarray, "F 3"], vertices: int) -> tuple[Int[np.ndarray, "F 3"], Int[np.ndarray, " U"]]:
    """The faces in an order that packs well, with vertices numbered anew; and the old number of each new one.

    Vertices that no face has are left out.
    """
    corners = np.ascontiguousarray(faces, "<u4")
    # The work of ordering faces is a few lists of the vertices' neighbours.
    machine = Machine("encoder", room=16 * corners.nbytes + 32 * vertices)
    table, place = machine.take(4 * vertices), machine.put(corners.tobytes())
    machine.call("meshopt_optimizeVertexCache", place, place, corners.size, vertices)
    used = machine.call("meshopt_optimizeVertexFetchRemap", table, place, corners.size, vertices)
    new_of_old = np.frombuffer(machine.bytes_at(table, 4 * vertices), "<u4")
    ordered = np.frombuffer(machine.bytes_at(place, corners.nbytes), "<u4").reshape(-1, 3)
    old_of_new = np.zeros(used, np.int64)
    named = np.flatnonzero(new_of_old < used)
    old_of_new[new_of_old[named]] = named
    return new_of_old[ordered].astype(np.int64), old_of_new


def _encoded(name: str, data: bytes, bound: tuple[str, int, int], arguments: tuple[int, ...]) -> bytes:
    """What `name` makes of the data, in memory of the size that the function in `bound` says."""
    ceiling = Machine("encoder", room=0).call(*bound)
    machine = Machine("encoder", room=ceiling + 2 * len(data))
    if name.startswith("meshopt_encodeIndex"):
        machine.call("meshopt_encodeIndexVersion", _INDEX_VERSION)
    target, source = machine.take(ceiling), machine.put(data)
    return machine.bytes_at(target, machine.call(name, target, ceiling, source, *arguments))
