"""The other files that a glTF or OBJ may consist of: in its folder or below, in one zip with it, and nowhere else."""

import contextlib
import io
import json
import posixpath
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from apg_core.errors import InputError, MeshError
from apg_core.protocol.limits import InputLimits, check_limit

_LIBRARY = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
_PICTURE = re.compile(rb"^[ \t]*map_Kd[ \t]+([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
_MOST_FILES = 100

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
            f"the mesh refers to another file ({uri[:60]!r}) than one in its folder or below, which is never "
            "followed; export as GLB, or with embedded buffers",
            field="mesh",
        )
    return posixpath.normpath(name)


def buffer_names(text: bytes, limits: InputLimits | None = None) -> list[str]:
    """Paths of the buffers that a glTF's JSON has outside itself; of one that will be refused, none are told.

    Raises:
        MeshError: one of them is not beside it.
    """
    if sum(map(text.count, b",[{")) > (limits or InputLimits()).mesh_entries:
        return []
    try:
        buffers = json.loads(text)["buffers"]
        uris = [buffer["uri"] for buffer in buffers if "uri" in buffer]
        return [relative_name(uri) for uri in uris if not uri.startswith("data:")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def looks_beside(content: bytes, ending: str, fetch: Fetch) -> list[tuple[str, bytes]]:
    """Name and content of the files that a glTF's or OBJ's looks are in, as far as they are there and may be read."""
    if ending.lower() == ".gltf":
        return _fetched(_picture_names(content), fetch)
    if ending.lower() != ".obj":
        return []
    libraries = _fetched([name.decode("ascii", "replace") for name in _LIBRARY.findall(content)], fetch)
    pictures = [name.decode("ascii", "replace") for _, text in libraries for name in _PICTURE.findall(text)]
    return libraries + _fetched([name.replace("\\", "/") for name in pictures], fetch)


def _picture_names(text: bytes) -> list[str]:
    try:
        uris = [image["uri"] for image in json.loads(text).get("images", []) if "uri" in image]
        return [uri for uri in uris if not uri.startswith("data:")]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _fetched(uris: list[str], fetch: Fetch) -> list[tuple[str, bytes]]:
    found = []
    for uri in list(dict.fromkeys(uris))[:_MOST_FILES]:
        with contextlib.suppress(InputError):  # the looks will do without it, and say so
            name = relative_name(uri)
            found.append((name, fetch(name)))
    return found


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
            raise MeshError(f"the mesh's file {name[:60]!r} is not in its folder; put it beside it", field="mesh")
        size = path.stat().st_size
        check_limit("bytes of a glTF's buffers beside it", size, self._left, field="mesh")
        self._left -= size
        return path.read_bytes()


def packed(content: bytes, ending: str, fetch: Fetch, limits: InputLimits | None = None) -> bytes | None:
    """A zip of a glTF or OBJ and what is beside it, for those who can only hand on one file; None of what is alone."""
    names = buffer_names(content, limits) if ending.lower() == ".gltf" else []
    files = {name: fetch(name) for name in names} | dict(looks_beside(content, ending, fetch))
    if not files:
        return None
    together = io.BytesIO()
    with zipfile.ZipFile(together, "w") as archive:
        # Without the time of day, for equal hashes.
        archive.writestr(zipfile.ZipInfo(f"mesh{ending.lower()}"), content)
        for name, own in files.items():
            archive.writestr(zipfile.ZipInfo(name), own)
    return together.getvalue()
