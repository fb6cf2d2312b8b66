"""Zips that may be hostile: read in memory, one entry at a time, never unpacked onto a disk.

Source: PKWARE APPNOTE 6.3, sections 4.3.14 to 4.3.16 (the end of the central directory).
"""

import posixpath
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Literal

from apg_core.errors import LimitError, MeshError
from apg_core.protocol.beside import Fetch
from apg_core.protocol.limits import InputLimits

_DIRECTORY_BYTES = 2**20  # some ten thousand entries; Python takes about ten times that to hold them
_END = struct.Struct("<4s4H2IH")
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may take memory that no header tells of


class Archive:
    """The files in a zip, by their names; what is read of it stays within `unpacked_bytes` altogether."""

    def __init__(self, data: bytes, limits: InputLimits) -> None:
        """Look at the directory, and at nothing else.

        Raises:
            MeshError: damaged, or a zip64.
            LimitError: too many entries.
        """
        self._limit = self._left = limits.unpacked_bytes
        _check_directory(data)
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
            raise MeshError(f"the zip is damaged: {error}; pack it again", field="mesh") from error
        self._entries = {
            entry.filename: entry
            for entry in self._zip.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        }

    @property
    def names(self) -> list[str]:
        """Of all files, in the directory's order; they are never used as paths."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """One file's content, as long as it really is, whatever its header says.

        Raises:
            MeshError: no such file, damaged, encrypted, or packed in an unusual way.
            LimitError: more than may still be unpacked.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise MeshError(f"the zip has no {name[:60]!r}, which the mesh needs; pack it too", field="mesh")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
            raise MeshError(f"{name[:60]!r} in the zip is encrypted or not deflated; pack it again", field="mesh")
        try:
            with self._zip.open(entry) as file:
                content = file.read(self._left + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError) as error:
            raise MeshError(f"{name[:60]!r} in the zip is damaged: {error}; pack it again", field="mesh") from error
        if len(content) > self._left:
            raise LimitError(f"the zip unpacks to more than {self._limit:,} bytes, the limit", field="mesh")
        self._left -= len(content)
        return content


def document_in(archive: Archive) -> tuple[Literal["gltf", "obj"], bytes, Fetch]:
    """The one glTF or else OBJ in a zip, and where the files beside it are.

    Raises:
        MeshError: none, or more than one.
        LimitError: more unpacked than `limits` allow.
    """
    gltfs, objs = ([name for name in archive.names if name.lower().endswith(end)] for end in (".gltf", ".obj"))
    kind: Literal["gltf", "obj"] = "gltf" if gltfs else "obj"
    found = gltfs or objs
    if len(found) != 1:
        raise MeshError(
            f"the zip holds {len(gltfs)} .gltf and {len(objs)} .obj files; it must hold one and the files beside it, "
            "or send a GLB",
            field="mesh",
        )
    folder = posixpath.dirname(found[0])
    return kind, archive.read(found[0]), lambda name: archive.read(posixpath.join(folder, name))


def _check_directory(data: bytes) -> None:
    start = data.rfind(b"PK\5\6")
    if start < 0 or start + _END.size > len(data):
        raise MeshError("the zip is cut off: it has no directory; send it again", field="mesh")
    size = _END.unpack_from(data, start)[5]
    if data[max(start - 20, 0) :].startswith(b"PK\6\7"):
        raise MeshError("the zip is a zip64, which no input needs; pack it again", field="mesh")
    if size > _DIRECTORY_BYTES:
        raise LimitError(f"the zip's directory has {size:,} bytes, and the limit is {_DIRECTORY_BYTES:,}", field="mesh")
