"""The artifact store: files of jobs, in a folder or wherever `pyarrow.fs` has a URI for (S3 and others)."""

import contextlib
import hashlib
import math
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import uuid4

from pyarrow import ArrowInvalid
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem, SubTreeFileSystem

from apg_core.errors import OutputError
from deployments.errors import ExpiredError, StoreError
from deployments.stores.jobs.records import StoredArtifact

CHUNK_BYTES = 256 * 1024
MEDIA_TYPES = {
    ".3mf": "model/3mf",
    ".glb": "model/gltf-binary",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".mtl": "model/mtl",
    ".npz": "application/octet-stream",
    ".obj": "model/obj",
    ".ply": "application/octet-stream",  # nobody has registered it
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".stl": "model/stl",
    ".usdz": "model/vnd.usdz+zip",
    ".zip": "application/zip",
}
_TEMPORARY = ".writing"
_PROBE_BYTES = 4096


class ArtifactStore:
    """Whole files by key; a file is there completely or not at all.

    A key names the job, the run and the content, so that a file never changes under whoever reads it: neither
    by a runner that has lost its job, nor when an early file is followed by a final one.
    """

    def __init__(self, address: str) -> None:
        """`address` is a folder, or a URI such as `s3://bucket/prefix?region=eu-central-1`.

        Raises:
            StoreError: it cannot be opened.
        """
        try:
            self._files = _open(address)
        except (OSError, ArrowInvalid) as error:
            raise StoreError(f"the artifact store {address} cannot be opened: {error}") from error

    def put(self, job_id: str, run: int, name: str, content: bytes) -> StoredArtifact:
        """Write a file of a job, in its run of this number; 0 is its submission.

        Raises:
            OutputError: the store is full, read-only, or cannot be reached.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        key = f"{job_id}/{run}/{sha256[:16]}.{name}"
        try:
            self._write(key, content)
        except OSError as error:
            # The system's words for it: pyarrow's own would tell the caller where the store is.
            reason = type(error).__name__ if error.errno is None else os.strerror(error.errno)
            raise OutputError(f"{name} could not be written to the artifact store: {reason}") from error
        return StoredArtifact(
            name=name,
            key=key,
            media_type=MEDIA_TYPES[Path(name).suffix],
            bytes=len(content),
            sha256=sha256,
        )

    def get(self, artifact: StoredArtifact) -> bytes:
        """The whole content of a file."""
        return b"".join(self.read(artifact, 0, artifact.bytes))

    def read(self, artifact: StoredArtifact, start: int, length: int) -> Iterator[bytes]:
        """Bytes [start, start + length) of a file, a chunk at a time; the file is opened before this returns.

        Raises:
            ExpiredError: the file is gone.
            StoreError: the store cannot be reached.
        """
        try:
            source = self._files.open_input_file(artifact.key)
            source.seek(start)
        except FileNotFoundError as error:
            raise ExpiredError(f"{artifact.name} is gone; artifacts are removed after a time") from error
        except OSError as error:
            raise StoreError(f"{artifact.name} cannot be read now; try again") from error
        return _chunks(source, length)

    def remove_job(self, job_id: str, *, keep: Collection[str] = ()) -> None:
        """Remove every file of a job, finished or not, but those with keys to keep; it may have none."""
        if keep:
            self.remove_files(job_id, keep=keep)
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                self._files.delete_dir(job_id)
        except OSError as error:
            raise StoreError(f"artifacts of job {job_id} cannot be removed now") from error

    def remove_files(self, job_id: str, *, keep: Collection[str], before: float = math.inf) -> None:
        """Remove the files of a job that were written before a time, but those with keys to keep."""
        try:
            for found in self._files.get_file_info(FileSelector(job_id, recursive=True, allow_not_found=True)):
                old = found.mtime is None or found.mtime.timestamp() < before
                if found.type is FileType.File and found.path not in keep and old:
                    with contextlib.suppress(FileNotFoundError):  # others may do the same
                        self._files.delete_file(found.path)
        except OSError as error:
            raise StoreError(f"artifacts of job {job_id} cannot be removed now") from error

    def jobs(self) -> list[str]:
        """Ids of all jobs that have files here."""
        try:
            found = self._files.get_file_info(FileSelector("", recursive=False))
        except OSError as error:
            raise StoreError("the artifact store cannot be listed") from error
        return [one.base_name for one in found if one.type is FileType.Directory]

    def last_written(self, job_id: str) -> float:
        """When the newest file of a job was written; 0 where it has none."""
        try:
            found = self._files.get_file_info(FileSelector(job_id, recursive=True, allow_not_found=True))
        except OSError as error:
            raise StoreError("the artifact store cannot be listed") from error
        return max((one.mtime.timestamp() for one in found if one.mtime is not None), default=0.0)

    def ping(self) -> None:
        """Raise `StoreError` unless the store answers, and a folder has room for a file."""
        try:
            self._files.get_file_info(FileSelector("", recursive=False, allow_not_found=False))
        except OSError as error:
            raise StoreError("the artifact store cannot be reached") from error
        if isinstance(self._files.base_fs, LocalFileSystem):
            probe = f"{uuid4().hex}{_TEMPORARY}"
            try:
                with self._files.open_output_stream(probe) as stream:
                    stream.write(bytes(_PROBE_BYTES))
            except OSError as error:
                raise StoreError("the artifact store cannot be written to; is its disk full?") from error
            finally:
                with contextlib.suppress(OSError):
                    self._files.delete_file(probe)

    def _write(self, key: str, content: bytes) -> None:
        if not isinstance(self._files.base_fs, LocalFileSystem):
            with self._files.open_output_stream(key) as stream:  # an object appears when it is complete
                stream.write(content)
            return
        self._files.create_dir(str(Path(key).parent), recursive=True)
        temporary = f"{key}.{uuid4().hex}{_TEMPORARY}"
        try:
            with self._files.open_output_stream(temporary) as stream:
                stream.write(content)
            self._files.move(temporary, key)
        except OSError:
            with contextlib.suppress(OSError):
                self._files.delete_file(temporary)
            raise


def _open(address: str) -> SubTreeFileSystem:
    if "://" not in address:
        folder = Path(address).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return SubTreeFileSystem(str(folder), LocalFileSystem())
    files, root = FileSystem.from_uri(address)
    if files.get_file_info(root).type is FileType.NotFound:
        files.create_dir(root, recursive=True)
    return SubTreeFileSystem(root, files)


def _chunks(source, length: int) -> Iterator[bytes]:  # type: ignore[no-untyped-def]  # pyarrow has no types
    with source:
        while length > 0 and (chunk := source.read(min(CHUNK_BYTES, length))):
            length -= len(chunk)
            yield chunk
