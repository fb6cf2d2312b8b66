"""The triangles of a glTF 2.0 file: nodes, meshes and accessors, each checked before it is followed.

Our own reading, because a buffer's layout is the sender's to choose: every offset is held against its buffer
here, and nothing outside the file is opened but by the caller's own `fetch`.
Source: Khronos glTF 2.0 specification, sections 3.5 (scenes), 3.6 (binary data), 3.7 (meshes), 4.4 (GLB).
"""

import struct
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from apg_core.errors import MeshError
from apg_core.inputs.draco import unpacked
from apg_core.inputs.gltf_buffers import Buffers
from apg_core.inputs.gltf_document import Accessor, Document, Draco, Node, Primitive, parse_document
from apg_core.inputs.gltf_looks import GltfLooks
from apg_core.inputs.placing import Transform, placed
from apg_core.inputs.textures import Textures
from apg_core.protocol.arrays import FaceArray
from apg_core.protocol.beside import Fetch
from apg_core.protocol.limits import InputLimits, check_limit
from apg_core.protocol.mesh import TriangleMesh

TRIANGLES, STRIP, FAN = 4, 5, 6  # primitive modes; 0..3 are points and lines
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}


def read_gltf(data: bytes, limits: InputLimits, *, fetch: Fetch | None = None) -> list[TriangleMesh]:
    """One mesh a node that has triangles, in the scene's order and frame, from a GLB or a glTF.

    `fetch` gets the buffers that a glTF has beside it; without it those are an error.

    Raises:
        MeshError: damaged, refers to another file that may not be read, or uses an extension that is not read.
        LimitError: more vertices, faces or JSON values than `limits` allow.
    """
    text, binary = _chunks(data) if data.startswith(b"glTF") else (data, None)
    document = parse_document(text, limits)
    buffers = Buffers(document, binary, fetch, limits)
    # Overflow makes infinite vertices, which are refused later; it needs no warning of its own.
    with np.errstate(all="ignore"):
        try:
            looks = GltfLooks(text, buffers, fetch, Textures(limits))
            return _Geometry(document, buffers, looks).placed_meshes(limits)
        except (LookupError, ValueError) as error:
            raise MeshError(f"the glTF is damaged: {error}; export it again", field="mesh") from error


def _chunks(data: bytes) -> tuple[bytes, bytes | None]:
    """The JSON and the binary chunk of a GLB."""
    found: dict[bytes, bytes] = {}
    start = 12
    while start + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, start)
        chunk = data[start + 8 : start + 8 + length]
        if len(chunk) < length:
            raise MeshError(
                f"the GLB is cut off: a chunk declares {length:,} bytes and {len(chunk):,} are there", field="mesh"
            )
        found.setdefault(kind, chunk)
        start += 8 + length
    if b"JSON" not in found:
        raise MeshError("the GLB has no JSON chunk; export it again", field="mesh")
    return found[b"JSON"], found.get(b"BIN\0")


class _Geometry:
    """The arrays and the node tree of one document; a LookupError or ValueError means a damaged file."""

    def __init__(self, document: Document, buffers: Buffers, looks: GltfLooks) -> None:
        self.document = document
        self._buffers = buffers
        self._looks = looks

    def placed_meshes(self, limits: InputLimits) -> list[TriangleMesh]:
        """Every node's triangles in the scene's frame; counts are checked before any array is read."""
        instances = [(node.mesh, transform) for node, transform in self._nodes() if node.mesh is not None]
        declared = {index: self._declared(index) for index, _ in instances}
        vertices = sum(declared[index][0] for index, _ in instances)
        faces = sum(declared[index][1] for index, _ in instances)
        check_limit("vertices", vertices, limits.mesh_vertices, field="mesh")
        check_limit("faces", faces, limits.mesh_faces, field="mesh")
        meshes = {index: self._mesh(index) for index, (_, faces) in declared.items() if faces}
        return [placed(meshes[index], transform) for index, transform in instances if index in meshes]

    def _nodes(self) -> Iterator[tuple[Node, Transform]]:
        """Every node of the scene once, parents first, with its transform into the scene."""
        nodes, scenes = self.document.nodes, self.document.scenes
        if scenes:
            roots = scenes[self.document.scene].nodes
        else:
            children = {child for node in nodes for child in node.children}
            roots = [index for index in range(len(nodes)) if index not in children]
        seen: set[int] = set()
        waiting = [(root, np.eye(4)) for root in reversed(roots)]
        while waiting:
            index, parent = waiting.pop()
            if index in seen:
                raise ValueError(f"node {index} has two parents, or is its own ancestor")
            seen.add(index)
            node = nodes[index]
            transform = parent @ node.transform()
            yield node, transform
            waiting.extend((child, transform) for child in reversed(node.children))

    def _triangles(self, mesh: int) -> list[Primitive]:
        return [
            primitive
            for primitive in self.document.meshes[mesh].primitives
            if primitive.mode in (TRIANGLES, STRIP, FAN) and "POSITION" in primitive.attributes
        ]

    def _declared(self, mesh: int) -> tuple[int, int]:
        """Vertices and faces that a mesh's accessors declare."""
        vertices = faces = 0
        for primitive in self._triangles(mesh):
            position = primitive.attributes["POSITION"]
            corner_source = position if primitive.indices is None else primitive.indices
            corners = self.document.accessors[corner_source].count
            vertices += self.document.accessors[position].count
            faces += corners // 3 if primitive.mode == TRIANGLES else max(corners - 2, 0)
        return vertices, faces

    def _mesh(self, mesh: int) -> TriangleMesh:
        return TriangleMesh.joined([self._primitive(primitive) for primitive in self._triangles(mesh)])

    def _primitive(self, primitive: Primitive) -> TriangleMesh:
        if primitive.draco is not None:
            return self._unpacked(primitive, primitive.draco)
        position = self.document.accessors[primitive.attributes["POSITION"]]
        if position.type != "VEC3":
            raise ValueError(f"positions are {position.type}, not VEC3")
        vertices = self._rows(position).astype(np.float64)
        if primitive.indices is None:
            corners = np.arange(len(vertices))
        else:
            indices = self.document.accessors[primitive.indices]
            if indices.type != "SCALAR" or indices.component_type not in (5121, 5123, 5125):
                raise ValueError("indices are not unsigned integers")
            corners = self._rows(indices)[:, 0].astype(np.int64)
        if len(corners) and corners.max() >= len(vertices):
            raise ValueError(f"a face names vertex {corners.max():,} of {len(vertices):,}")
        faces = _faces(corners, primitive.mode)
        look = self._looks.look(primitive.material, faces, lambda name: self._attribute(primitive, name, len(vertices)))
        return TriangleMesh(vertices, faces, look=look)

    def _attribute(self, primitive: Primitive, name: str, vertices: int) -> np.ndarray | None:
        """Rows of an attribute of looks; None where it is missing or damaged."""
        place = primitive.attributes.get(name)
        if place is None or place >= len(self.document.accessors):
            return None
        accessor = self.document.accessors[place]
        if accessor.count != vertices:
            return None
        try:
            rows = self._rows(accessor)
        except (LookupError, ValueError):
            return None
        # Whole numbers are shares of the largest one, for colours and texture places, whether the file says so or not.
        return rows if rows.dtype.kind == "f" else rows / np.iinfo(rows.dtype).max

    def _unpacked(self, primitive: Primitive, draco: Draco) -> TriangleMesh:
        """A primitive in Draco's own packing, held to the counts that its accessors declare."""
        if primitive.indices is None:
            raise ValueError("Draco-compressed triangles have no indices")
        vertices = self.document.accessors[primitive.attributes["POSITION"]].count
        corners = self.document.accessors[primitive.indices].count
        found = unpacked(
            self._buffers.view(draco.buffer_view), vertices=vertices, corners=corners, attributes=draco.attributes
        )
        faces = _faces(found.corners, primitive.mode)
        look = self._looks.look(primitive.material, faces, found.attributes.get)
        return TriangleMesh(found.vertices, faces, look=look)

    def _rows(self, accessor: Accessor) -> np.ndarray:
        """The accessor's rows, one column a component."""
        width, dtype = _WIDTHS[accessor.type], np.dtype(_COMPONENTS[accessor.component_type])
        if accessor.buffer_view is None:
            rows = np.zeros((accessor.count, width), dtype)
        else:
            rows = self._view(accessor.buffer_view, accessor.byte_offset, (accessor.count, width), dtype)
        if accessor.sparse is not None:
            count, where, what = accessor.sparse.count, accessor.sparse.indices, accessor.sparse.values
            where_dtype = np.dtype(_COMPONENTS[where.component_type])
            at = self._view(where.buffer_view, where.byte_offset, (count, 1), where_dtype)[:, 0]
            rows = rows.copy()
            rows[at] = self._view(what.buffer_view, what.byte_offset, (count, width), dtype)
        if accessor.normalized and dtype.kind != "f":
            rows = np.maximum(rows / np.iinfo(dtype).max, -1.0)
        return rows

    def _view(self, index: int, offset: int, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> np.ndarray:
        """Rows inside a buffer view, not copied."""
        view, content = self.document.buffer_views[index], self._buffers.view(index)
        row = shape[1] * dtype.itemsize
        stride = max(view.stride or row, row)
        if shape[0] and offset + (shape[0] - 1) * stride + row > len(content):
            raise ValueError(
                f"an accessor declares {shape[0]:,} rows, more than buffer view {index} has ({len(content):,} bytes)"
            )
        return np.ndarray(shape, dtype, content, offset if shape[0] else 0, (stride, dtype.itemsize))


def _faces(corners: Int[np.ndarray, " K"], mode: int) -> FaceArray:
    if mode == TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if len(corners) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.stack([np.broadcast_to(corners[0], len(corners) - 2), corners[1:-1], corners[2:]], axis=1)
    strip = np.stack([corners[:-2], corners[1:-1], corners[2:]], axis=1)
    strip[1::2] = strip[1::2][:, [1, 0, 2]]  # every other triangle of a strip turns the other way
    return strip
