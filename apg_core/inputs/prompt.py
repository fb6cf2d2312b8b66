"""Whatever the caller has, files or objects in memory, into a prompt and a record of where it came from."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image as Pillow

from apg_core.errors import PromptError
from apg_core.inputs.image import check_image, read_image
from apg_core.inputs.in_memory import look_of
from apg_core.inputs.mask import check_mask, read_mask
from apg_core.inputs.mesh import check_mesh, read_mesh
from apg_core.inputs.placing import placed
from apg_core.protocol.beside import Folder, buffer_names, looks_beside
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import InputEntry, InputName, mode_of
from apg_core.protocol.prompt import Prompt

ImageSource = Path | str | np.ndarray | Pillow.Image
"""A picture: a file, its pixels, or Pillow's own."""
MeshSource = Path | str | TriangleMesh | trimesh.Trimesh | trimesh.Scene
"""A mesh: a file, its arrays, or trimesh's own."""
MaskSource = Path | str | np.ndarray | Pillow.Image
"""A mask: a file, its labels or colours, or Pillow's own."""
Source = ImageSource | MeshSource | MaskSource

_READERS: Mapping[InputName, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "image": (read_image, check_image),
    "mesh": (read_mesh, check_mesh),
    "mask": (read_mask, check_mask),
}


def read_prompt(sources: Mapping[InputName, Source], limits: InputLimits, *, beside: bool = False) -> Prompt:
    """The prompt of these inputs; with `beside`, a glTF's buffers are read from the folder that it is in.

    Raises:
        PromptError: they are no mode, and nothing is read then; or something that is no source.
        InputError: one of them cannot be used.
    """
    mode_of(sources)
    return Prompt(**{name: _read(name, source, limits, beside=beside) for name, source in sources.items()})


def input_entries(sources: Mapping[InputName, Source]) -> dict[str, InputEntry]:
    """The inputs as the manifest lists them: a file's name, and the hash of its content with a glTF's buffers.

    What was in memory has the name of its type, and the hash of its arrays.
    """
    return {name: _entry(source) for name, source in sources.items()}


def _read(name: InputName, source: Source, limits: InputLimits, *, beside: bool) -> Any:
    read, check = _READERS[name]
    match source:
        case str() | Path() if name == "mesh":
            return read(Path(source), limits, beside=beside)
        case str() | Path():
            return read(Path(source), limits)
        case Pillow.Image() if name != "mesh":
            return read(source, limits)
        case trimesh.Trimesh() | trimesh.Scene() | TriangleMesh() if name == "mesh":
            return check(_as_mesh(source), limits)
        case np.ndarray() if name != "mesh":
            return check(source, limits)
    kinds = "TriangleMesh, trimesh.Trimesh or trimesh.Scene" if name == "mesh" else "NumPy array or PIL.Image.Image"
    raise PromptError(f"{name} must be a path, {kinds}, got {type(source).__name__}", field=name)


def _as_mesh(source: TriangleMesh | trimesh.Trimesh | trimesh.Scene) -> TriangleMesh:
    if isinstance(source, TriangleMesh):
        return source
    if isinstance(source, trimesh.Trimesh):
        faces = np.asarray(source.faces, np.int64)
        return TriangleMesh(np.asarray(source.vertices, np.float64), faces, look=look_of(source, faces))
    meshes = []
    for node in source.graph.nodes_geometry:
        transform, name = source.graph[node]
        shape = source.geometry[name]
        if isinstance(shape, trimesh.Trimesh):  # and not a path or a cloud of points
            meshes.append(placed(_as_mesh(shape), transform))
    return TriangleMesh.joined(meshes)


def _entry(source: Source) -> InputEntry:
    if isinstance(source, str | Path):
        path = Path(source)
        return InputEntry(name=path.name, sha256=_hash_of(path))
    match source:
        case Pillow.Image():
            name, arrays = "PIL.Image", [np.asarray(source)]
        case trimesh.Trimesh() | trimesh.Scene():
            mesh = _as_mesh(source)
            name, arrays = "trimesh", [mesh.vertices, mesh.faces]
        case TriangleMesh():
            name, arrays = "array", [source.vertices, source.faces]
        case _:
            name, arrays = "array", [source]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return InputEntry(name=name, sha256=digest.hexdigest())


def _hash_of(path: Path) -> str:
    """Of a file that has been read: its content, and that of the buffers, materials and textures beside it."""
    content = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(content)
    if path.suffix.lower() == ".gltf":
        fetch = Folder(path.parent)
        for name in buffer_names(content):
            digest.update(fetch(name))
    for _, own in looks_beside(content, path.suffix, Folder(path.parent)):
        digest.update(own)
    return digest.hexdigest()
