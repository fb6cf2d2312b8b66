"""The binary chunk of a GLB: arrays and pictures one after the other, and the accessors that find them."""

import numpy as np

from apg_core.meshopt.codec import encode_triangles, encode_vertices

MESHOPT = "EXT_meshopt_compression"
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_LARGEST_SHORT = 65_534  # 65,535 would restart a primitive (glTF 2.0, section 3.7.2.1)
_COMPONENTS = {"uint16": 5123, "uint32": 5125, "float32": 5126}
_TYPES = {2: "VEC2", 3: "VEC3", 4: "VEC4"}


class GltfBuffer:
    """Grows as things are added; each has a buffer view of its own, on a boundary of four bytes.

    With `packed`, arrays are in meshoptimizer's packing, and there is a second buffer, which no file has, as large
    as they are unpacked.
    """

    def __init__(self, *, packed: bool = False) -> None:
        self.packed = packed
        self.content = bytearray()
        self._unpacked = 0
        self.views: list[dict[str, object]] = []
        self.accessors: list[dict[str, object]] = []

    @property
    def buffers(self) -> list[dict[str, object]]:
        """As the document lists them."""
        own: list[dict[str, object]] = [{"byteLength": len(self.content)}]
        fallback = {"byteLength": self._unpacked, "extensions": {MESHOPT: {"fallback": True}}}
        return [*own, fallback] if self.packed else own

    def add_bytes(self, content: bytes, target: int | None = None) -> int:
        """Add raw bytes; their buffer view."""
        view: dict[str, object] = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content)}
        self.views.append(view if target is None else {**view, "target": target})
        self.content += content + bytes(-len(content) % 4)
        return len(self.views) - 1

    def add_vertices(self, rows: np.ndarray, *, bounds: bool = False) -> int:
        """Add an attribute, float32 or normalised uint16, a row a vertex; its accessor."""
        accessor: dict[str, object] = {"type": _TYPES[rows.shape[1]]}
        if rows.dtype == np.uint16:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        return self._accessor(rows, accessor, ARRAY_BUFFER)

    def add_indices(self, faces: np.ndarray) -> int:
        """Add the corners of triangles, in 16 bits where they fit; their accessor."""
        kind = np.uint16 if faces.max() <= _LARGEST_SHORT else np.uint32
        return self._accessor(faces.reshape(-1).astype(kind), {"type": "SCALAR"}, ELEMENT_ARRAY_BUFFER)

    def _accessor(self, rows: np.ndarray, known: dict[str, object], target: int) -> int:
        little = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
        view = self._add_packed(little, target) if self.packed else self.add_bytes(little.tobytes(), target)
        component = _COMPONENTS[rows.dtype.name]
        self.accessors.append({"bufferView": view, "componentType": component, "count": len(rows), **known})
        return len(self.accessors) - 1

    def _add_packed(self, rows: np.ndarray, target: int) -> int:
        """Add an array in meshoptimizer's packing; its buffer view."""
        indices = rows.ndim == 1
        content = encode_triangles(rows.reshape(-1, 3).astype(np.int64)) if indices else encode_vertices(rows)
        stride = rows.itemsize * (1 if indices else rows.shape[1])
        where: dict[str, object] = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content)}
        where |= {"byteStride": stride, "count": len(rows), "mode": "TRIANGLES" if indices else "ATTRIBUTES"}
        view: dict[str, object] = {"buffer": 1, "byteOffset": self._unpacked, "byteLength": rows.nbytes}
        view |= {} if indices else {"byteStride": stride}
        self.views.append({**view, "target": target, "extensions": {MESHOPT: where}})
        self.content += content + bytes(-len(content) % 4)
        self._unpacked += rows.nbytes + -rows.nbytes % 4
        return len(self.views) - 1
