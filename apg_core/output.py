"""A folder of results: every file appears whole or not at all."""

import errno
import os
import re
import uuid
from collections.abc import Collection
from pathlib import Path

from apg_core.errors import OutputError

_RESULT = re.compile(
    r"(mesh_(\d{3,}|combined)|candidate_\d{3,}_\d+|whole)\.(glb|obj|mtl|stl|ply|3mf|usdz)"
    r"|texture_[0-9a-f]{8}\.(png|jpg)|preview\.png|mask_colored\.png|(mask_palette|manifest)\.json"
    r"|latents\.safetensors|inputs\.npz"
)


def is_result(name: str) -> bool:
    """Whether a generation leaves a file of this name."""
    return _RESULT.fullmatch(name) is not None


class OutputFolder:
    """Writes results into one folder.

    Raises:
        OutputError: the folder cannot be made or written, or the disk is full; files that were there are untouched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _output_error(path, error) from error

    def write(self, name: str, content: bytes) -> Path:
        """Write a file under a temporary name, then rename it."""
        target = self.path / name
        temporary = self.path / f"{name}.{uuid.uuid4().hex}.tmp"
        try:
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise _output_error(target, error) from error
        return target

    def clear_results(self, *, keep: Collection[str] = ()) -> None:
        """Remove a generation's files but those to keep, so that none is taken for this one's; other files stay."""
        try:
            for path in self.path.iterdir():
                if is_result(path.name) and path.name not in keep:
                    path.unlink()
        except OSError as error:
            raise _output_error(self.path, error) from error


def _output_error(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"no space left to write {path}; free some and run again", field="output")
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path}: {reason}; choose a folder that can be written", field="output")
