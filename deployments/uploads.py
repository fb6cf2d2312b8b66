"""The files of a submission while it is accepted: on the disk, within limits, hashed, not decoded."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import JsonValue

from apg_core.errors import InputError, LimitError
from apg_core.protocol.mode import INPUTS, InputName

_PREFIX = "apg-upload-"
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass(frozen=True)
class ReceivedFile:
    """A file as it was sent: where it is now, its cleaned name, and the hash of its content."""

    path: Path
    name: str
    sha256: str


@dataclass(frozen=True)
class Upload:
    """A submission's files and options; nothing of it is decoded yet."""

    folder: Path
    files: dict[InputName, ReceivedFile]
    options: dict[str, JsonValue]
    preset: str | None = None
    """What it is to be generated with; None is the service's first."""

    @property
    def sha256(self) -> str:
        """Hash of all that makes two submissions the same: the files' content, the options and the preset."""
        content = {field: file.sha256 for field, file in self.files.items()}
        said = [content, self.options] if self.preset is None else [content, self.options, self.preset]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class UploadFolder:
    """Takes the files of one submission, each at most once."""

    def __init__(self, path: Path, *, file_bytes: int) -> None:
        """`file_bytes` is how large each file may be."""
        self._path = path
        self.file_bytes = file_bytes
        self._files: dict[InputName, ReceivedFile] = {}

    def input_of(self, field: str) -> InputName:
        """The input that a file of this field is.

        Raises:
            InputError: none, or it has come already.
        """
        name = next((name for name in INPUTS if name == field), None)
        if name is None:
            known = ", ".join((*INPUTS, "options", "preset"))
            raise InputError(f"unknown field {field!r}; known fields: {known}", field=field)
        if name in self._files:
            raise InputError(f"{field} is given twice", field=field)
        return name

    def store(self, field: str, name: str, content: Iterable[bytes]) -> None:
        """Write a file that comes in chunks.

        Raises:
            LimitError: it is too large.
            InputError: a field that is not known, or given twice.
        """
        kind = self.input_of(field)
        clean = _clean_name(name)
        path = self._path / (field + _ending_of(clean))
        digest = hashlib.sha256()
        written = 0
        with path.open("wb") as file:
            for chunk in content:
                written += len(chunk)
                if written > self.file_bytes:
                    raise LimitError(f"{field}: more than {self.file_bytes:,} bytes, the limit", field=field)
                digest.update(chunk)
                file.write(chunk)
        self._files[kind] = ReceivedFile(path, clean, digest.hexdigest())

    def upload(self, options: dict[str, JsonValue], preset: str | None = None) -> Upload:
        """All files that have come, with the submission's options and preset."""
        return Upload(self._path, dict(self._files), options, preset)


@contextmanager
def upload_folder(*, file_bytes: int) -> Iterator[UploadFolder]:
    """A folder for one submission, removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as path:
        yield UploadFolder(Path(path), file_bytes=file_bytes)


def remove_strays() -> None:
    """Remove the folders of submissions that ended with their process."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _runs(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)  # another ingress of this machine may do the same


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _clean_name(name: str) -> str:
    """The last component of a sent file name, printable, of bounded length: for the record, never as a path."""
    last = PurePosixPath(name.replace("\\", "/")).name
    printable = "".join(letter for letter in last if letter.isprintable())
    return printable.encode("utf-8", "replace").decode()[-200:] or "unnamed"


def _ending_of(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return ending.lower() if _ENDING.fullmatch(ending) else ""
