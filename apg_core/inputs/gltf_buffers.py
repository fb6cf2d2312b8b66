"""The bytes of a glTF's buffer views, fetched and unpacked when they are first read."""

import base64
import binascii

from apg_core.errors import MeshError
from apg_core.inputs.gltf_document import Buffer, Document, Meshopt
from apg_core.meshopt.codec import decode
from apg_core.protocol.beside import Fetch, relative_name
from apg_core.protocol.limits import InputLimits, check_limit


class Buffers:
    """The buffers of one document; a LookupError or ValueError means a damaged file."""

    def __init__(self, document: Document, binary: bytes | None, fetch: Fetch | None, limits: InputLimits) -> None:
        self._document = document
        self._binary = binary
        self._fetch = fetch
        self._limits = limits
        self._buffers: dict[int, memoryview] = {}
        self._unpacked: dict[int, memoryview] = {}
        self._unpacked_bytes = 0

    def view(self, index: int) -> memoryview:
        """The bytes of a buffer view, not copied but where they are compressed."""
        view = self._document.buffer_views[index]
        if view.meshopt is None:
            return self._part(view.buffer, view.byte_offset, view.byte_length)
        if index not in self._unpacked:
            self._unpacked[index] = self._decoded(index, view.meshopt)
        return self._unpacked[index]

    def _decoded(self, index: int, packed: Meshopt) -> memoryview:
        self._unpacked_bytes += packed.count * packed.byte_stride
        check_limit(
            "bytes of the glTF's compressed views, unpacked",
            self._unpacked_bytes,
            self._limits.unpacked_bytes,
            field="mesh",
        )
        source = self._part(packed.buffer, packed.byte_offset, packed.byte_length)
        try:
            return memoryview(
                decode(
                    bytes(source),
                    count=packed.count,
                    stride=packed.byte_stride,
                    mode=packed.mode,
                    filtered=packed.filter,
                )
            )
        except ValueError as error:
            raise ValueError(f"buffer view {index} cannot be unpacked with meshopt: {error}") from error

    def _part(self, buffer: int, start: int, length: int) -> memoryview:
        """A part of a buffer, or what there is of it."""
        if buffer not in self._buffers:
            self._buffers[buffer] = self._content(buffer, self._document.buffers[buffer])
        return self._buffers[buffer][start : start + length]

    def _content(self, number: int, buffer: Buffer) -> memoryview:
        if buffer.uri is None:
            if number != 0 or self._binary is None:
                raise MeshError(f"glTF buffer {number} has no data; export as GLB", field="mesh")
            return memoryview(self._binary)
        kind, _, payload = buffer.uri.partition(",")
        if not kind.startswith("data:") or not kind.endswith(";base64"):
            name = relative_name(buffer.uri)
            if self._fetch is None:
                raise MeshError(
                    f"the glTF refers to another file ({buffer.uri[:60]!r}), which is not followed here; "
                    "send both in one zip, or export as GLB, or with embedded buffers",
                    field="mesh",
                )
            return memoryview(self._fetch(name))
        try:
            return memoryview(base64.b64decode(payload))
        except binascii.Error as error:
            raise MeshError(f"glTF buffer {number} is not base64: {error}", field="mesh") from error
