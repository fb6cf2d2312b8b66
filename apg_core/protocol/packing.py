"""Arrays as bytes: prompts, meshes and latents in NumPy's zip format, exactly and without pickles."""

import io
from collections.abc import Mapping
from typing import cast

import numpy as np

from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.prompt import Prompt, make_prompt


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """These arrays as one file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes names as options
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file that `pack` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def pack_prompt(prompt: Prompt) -> bytes:
    """A prompt as one file."""
    arrays: dict[str, np.ndarray] = {}
    for name in ("image", "mask"):
        if (value := getattr(prompt, name, None)) is not None:
            arrays[name] = value
    if (mesh := cast(TriangleMesh | None, getattr(prompt, "mesh", None))) is not None:
        arrays |= {"vertices": mesh.vertices, "faces": mesh.faces}
    return pack(arrays)


def unpack_prompt(content: bytes) -> Prompt:
    """The prompt of a file that `pack_prompt` made."""
    arrays = unpack(content)
    mesh = TriangleMesh(arrays["vertices"], arrays["faces"]) if "vertices" in arrays else None
    return make_prompt(arrays.get("image"), mesh, arrays.get("mask"))


def pack_mesh(mesh: TriangleMesh) -> bytes:
    """A mesh as one file, exactly."""
    return pack({"vertices": mesh.vertices, "faces": mesh.faces})


def unpack_mesh(content: bytes) -> TriangleMesh:
    """The mesh of a file that `pack_mesh` made."""
    arrays = unpack(content)
    return TriangleMesh(arrays["vertices"], arrays["faces"])
