"""Whatever the caller has, files or arrays, into a prompt and a record of where it came from."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from apg_core.inputs.image import check_image, read_image
from apg_core.inputs.limits import InputLimits
from apg_core.inputs.mask import check_mask, read_mask
from apg_core.inputs.mesh import check_mesh, read_mesh
from apg_core.protocol.manifest import InputEntry
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.prompt import InputName, Prompt, mode_of

Source = Path | str | np.ndarray | TriangleMesh
"""A file, or what is in it: pixels, labels, or a mesh."""

_READERS: Mapping[InputName, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "image": (read_image, check_image),
    "mesh": (read_mesh, check_mesh),
    "mask": (read_mask, check_mask),
}


def read_prompt(sources: Mapping[InputName, Source], limits: InputLimits) -> Prompt:
    """The prompt of these inputs.

    Raises:
        PromptError: they are no mode; nothing is read then.
        InputError: one of them cannot be used.
    """
    mode_of(sources)
    return Prompt(**{name: _read(name, source, limits) for name, source in sources.items()})


def input_entries(sources: Mapping[InputName, Source]) -> dict[str, InputEntry]:
    """The inputs as the manifest lists them: a file's name, and the hash of its content."""
    return {name: _entry(source) for name, source in sources.items()}


def _read(name: InputName, source: Source, limits: InputLimits) -> Any:
    read, check = _READERS[name]
    return read(Path(source), limits) if isinstance(source, str | Path) else check(source, limits)


def _entry(source: Source) -> InputEntry:
    if isinstance(source, str | Path):
        path = Path(source)
        content = path.read_bytes() if path.is_file() else b""
        return InputEntry(name=path.name, sha256=hashlib.sha256(content).hexdigest())
    arrays = (source.vertices, source.faces) if isinstance(source, TriangleMesh) else (source,)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return InputEntry(name="array", sha256=digest.hexdigest())
