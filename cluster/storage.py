"""Folders and files of a batch job, on this machine or wherever `pyarrow.fs` has a URI for (S3, GCS, HDFS)."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pyarrow import ArrowInvalid
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from apg_core.errors import InputError, OutputError, PromptError
from apg_core.output import OutputFolder, is_result
from apg_core.protocol.limits import InputLimits, check_limit

_FILE, _FOLDER = "file", "folder"


@dataclass(frozen=True)
class Place:
    """An absolute path, or a URI, as text: it can cross processes and be joined with names."""

    address: str

    @classmethod
    def of(cls, address: str | Path) -> "Place":
        """The place of an address; a relative path is one from here."""
        text = str(address)
        return cls(text if "://" in text else str(Path(text).absolute()))

    @property
    def is_local(self) -> bool:
        """Whether it is a path on this machine."""
        return "://" not in self.address

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self._split()[0].rstrip("/"))

    @property
    def parent(self) -> "Place":
        """The folder that it is in."""
        path, query = self._split()
        return Place(posixpath.dirname(path.rstrip("/")) + query)

    def join(self, name: str) -> "Place":
        """A place inside; an address that is absolute by itself stays what it is."""
        if "://" in name or posixpath.isabs(name):
            return Place.of(name)
        path, query = self._split()
        return Place(f"{path.rstrip('/')}/{posixpath.normpath(name)}{query}")

    def folder_names(self) -> tuple[list[str], list[str]]:
        """Names of the files and of the folders inside, sorted; hidden ones are left out.

        Raises:
            PromptError: it is no folder, or cannot be listed.
        """
        try:
            names = sorted((name, kind) for name, kind in self._listed() if not name.startswith("."))
        except OSError as error:
            raise PromptError(f"cannot list {self.address}: {_reason(error)}; name a folder or a manifest") from error
        return (
            [name for name, kind in names if kind == _FILE],
            [name for name, kind in names if kind == _FOLDER],
        )

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Names inside, and what they are; a local name that is not UTF-8 has surrogates for its bytes."""
        if self.is_local:  # pyarrow cannot tell of such a name
            with os.scandir(self.address) as entries:
                yield from ((one.name, _FOLDER if one.is_dir() else _FILE) for one in entries)
            return
        files, path = self._open(PromptError)
        kinds = {FileType.File: _FILE, FileType.Directory: _FOLDER}
        for info in files.get_file_info(FileSelector(path)):
            yield info.base_name, kinds.get(info.type, "")

    def read(self, limits: InputLimits | None = None, *, field: str = "file") -> bytes:
        """The whole file.

        Raises:
            LimitError: larger than `upload_bytes`; nothing is read.
            PromptError: it cannot be read.
        """
        files, path = self._open(PromptError)
        try:
            if limits is not None:
                size = files.get_file_info(path).size or 0
                check_limit(f"bytes of the {field} file", size, limits.upload_bytes, field=field)
            content: bytes
            if self.is_local:  # a pipe, too, in which pyarrow would look for an end
                content = Path(path).read_bytes()
            else:
                with files.open_input_stream(path) as stream:
                    content = stream.read()
        except (OSError, ValueError) as error:  # the latter for names that no system takes
            message = f"cannot read {self.address!r}: {_reason(error)}; check the path"
            raise PromptError(message, field=field) from error
        return content

    def _split(self) -> tuple[str, str]:
        """The path, and the query that tells a URI's file system how to connect."""
        path, mark, query = self.address.partition("?") if not self.is_local else (self.address, "", "")
        return path, mark + query

    def _open(self, refusal: type[InputError] | type[OutputError]) -> tuple[FileSystem, str]:
        if self.is_local:
            return LocalFileSystem(), self.address
        try:
            files, path = FileSystem.from_uri(self.address)
        except (OSError, ArrowInvalid) as error:
            raise refusal(f"cannot open {self.address}: {_reason(error)}") from error
        return files, path


class Folder(Protocol):
    """Where files are written; each appears whole or not at all."""

    def write(self, name: str, content: bytes) -> object:
        """Write a file.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def clear_results(self) -> None:
        """Remove the files of an earlier run."""
        ...


class RemoteFolder:
    """A folder behind a URI; an object appears there when it is complete."""

    def __init__(self, place: Place) -> None:
        self._files, self._path = place._open(OutputError)

    def write(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            OutputError: it cannot be written.
        """
        target = f"{self._path}/{name}"
        try:
            self._files.create_dir(self._path, recursive=True)
            with self._files.open_output_stream(target) as stream:
                stream.write(content)
        except OSError as error:
            raise OutputError(f"cannot write {target}: {_reason(error)}", field="output") from error

    def clear_results(self) -> None:
        """Remove the files of an earlier run."""
        try:
            for info in self._files.get_file_info(FileSelector(self._path, allow_not_found=True)):
                if is_result(info.base_name):
                    self._files.delete_file(info.path)
        except OSError as error:
            raise OutputError(f"cannot clear {self._path}: {_reason(error)}", field="output") from error


def open_folder(place: Place) -> Folder:
    """The folder at a place, made where it is not there.

    Raises:
        OutputError: it cannot be made or opened.
    """
    return OutputFolder(Path(place.address)) if place.is_local else RemoteFolder(place)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
