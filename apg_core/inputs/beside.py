"""The other files that a glTF may consist of: in its folder or below, or in one zip with it, and nowhere else."""

import io
import json
import posixpath
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from apg_core.errors import MeshError
from apg_core.inputs.archive import Archive
from apg_core.inputs.limits import InputLimits, check_limit

Fetch = Callable[[str], bytes]
"""The content of a buffer by its path beside a glTF; a MeshError if it is not there, a LimitError if too large."""


def relative_name(uri: str) -> str:
    """The path that a glTF's reference means, beside it.

    Raises:
        MeshError: an address, an absolute path, or one that leads out of the folder.
    """
    name = unquote(uri)
    steps = name.split("/")
    if not name or name.startswith("/") or ".." in steps or any(letter in name for letter in ":\\\0"):
        raise MeshError(
            f"the glTF refers to another file ({uri[:60]!r}) than one in its folder or below, which is never "
            "followed; export as GLB, or with embedded buffers",
            field="mesh",
        )
    return posixpath.normpath(name)


def buffer_names(text: bytes) -> list[str]:
    """Paths of the buffers that a glTF's JSON has outside itself; those of a damaged one are not told.

    Raises:
        MeshError: one of them is not beside it.
    """
    try:
        buffers = json.loads(text)["buffers"]
        uris = [buffer["uri"] for buffer in buffers if "uri" in buffer]
        return [relative_name(uri) for uri in uris if not uri.startswith("data:")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


class Folder:
    """The files of a folder and below it; links that lead out of it are not followed."""

    def __init__(self, path: Path, limits: InputLimits | None = None) -> None:
        self._path = path.resolve()
        self._limits = limits or InputLimits()
        self._left = self._limits.unpacked_bytes

    def __call__(self, name: str) -> bytes:
        """One file's content; see `Fetch`."""
        path = (self._path / name).resolve()
        if not path.is_relative_to(self._path) or not path.is_file():
            raise MeshError(f"the glTF's buffer {name[:60]!r} is not in its folder; put it beside it", field="mesh")
        size = path.stat().st_size
        check_limit("bytes of a glTF's buffers beside it", size, self._left, field="mesh")
        self._left -= size
        return path.read_bytes()


def packed(text: bytes, fetch: Fetch) -> bytes:
    """A zip of a glTF and its buffers, for those who can only hand on one file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mesh.gltf", text)
        for name in dict.fromkeys(buffer_names(text)):
            archive.writestr(name, fetch(name))
    return content.getvalue()


def gltf_in(archive: Archive) -> tuple[bytes, Fetch]:
    """The one glTF in a zip, and where its buffers are.

    Raises:
        MeshError: none, or more than one.
        LimitError: more unpacked than `limits` allow.
    """
    found = [name for name in archive.names if name.lower().endswith(".gltf")]
    if len(found) != 1:
        raise MeshError(
            f"the zip holds {len(found)} .gltf files; it must hold one and its buffers, or send a GLB", field="mesh"
        )
    folder = posixpath.dirname(found[0])
    return archive.read(found[0]), lambda name: archive.read(posixpath.join(folder, name))
