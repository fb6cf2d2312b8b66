"""Arrays as bytes: prompts, meshes and latents in NumPy's zip format, exactly and without pickles."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from apg_core.protocol.appearance import Appearance, Material, Texture
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import INPUTS
from apg_core.protocol.prompt import Prompt


def pack(arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> bytes:
    """These arrays as one file."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, allow_pickle=False, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes names as options
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file that `pack` made."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def pack_prompt(prompt: Prompt, *, compressed: bool = False) -> bytes:
    """A prompt as one file."""
    arrays: dict[str, np.ndarray] = {}
    for name in INPUTS:
        value = getattr(prompt, name)
        if isinstance(value, TriangleMesh):
            arrays |= mesh_arrays(value)
        elif value is not None:
            arrays[name] = value
    if prompt.notes:
        arrays["notes"] = np.array(prompt.notes)
    return pack(arrays, compressed=compressed)


def unpack_prompt(content: bytes) -> Prompt:
    """The prompt of a file that `pack_prompt` made."""
    arrays = unpack(content)
    mesh = mesh_of(arrays) if "vertices" in arrays else None
    notes = tuple(arrays["notes"].tolist()) if "notes" in arrays else ()
    return Prompt(mesh=mesh, notes=notes, **{name: arrays[name] for name in INPUTS if name in arrays})


def pack_mesh(mesh: TriangleMesh) -> bytes:
    """A mesh as one file, exactly."""
    return pack(mesh_arrays(mesh))


def unpack_mesh(content: bytes) -> TriangleMesh:
    """The mesh of a file that `pack_mesh` made."""
    return mesh_of(unpack(content))


def pack_latent(latent: LatentArray) -> bytes:
    """A latent as one file, exactly."""
    return pack({"latent": latent})


def unpack_latent(content: bytes) -> LatentArray:
    """The latent of a file that `pack_latent` made."""
    latent: LatentArray = unpack(content)["latent"]
    return latent


def mesh_arrays(mesh: TriangleMesh) -> dict[str, np.ndarray]:
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces}
    if mesh.source is not None:
        arrays["source"] = mesh.source
    return arrays if mesh.look is None else arrays | _of_look(mesh.look)


def mesh_of(arrays: Mapping[str, np.ndarray]) -> TriangleMesh:
    """The mesh of arrays that `mesh_arrays` named."""
    look = _to_look(arrays) if "look" in arrays else None
    return TriangleMesh(arrays["vertices"], arrays["faces"], arrays.get("source"), look)


def _of_look(look: Appearance) -> dict[str, np.ndarray]:
    words = {
        "materials": [asdict(material) for material in look.materials],
        "wraps": [texture.wrap for texture in look.textures],
        "notes": look.notes,
    }
    arrays = {"look": np.frombuffer(json.dumps(words).encode(), np.uint8), "look_material": look.material}
    arrays |= {} if look.uv is None else {"look_uv": look.uv}
    arrays |= {} if look.colours is None else {"look_colours": look.colours}
    for place, texture in enumerate(look.textures):
        arrays[f"texture_{place}"] = texture.pixels
        arrays[f"texture_{place}_file"] = np.frombuffer(texture.content, np.uint8)
    return arrays


def _to_look(arrays: Mapping[str, np.ndarray]) -> Appearance:
    words = json.loads(arrays["look"].tobytes())
    materials = [Material(**{**known, "colour": tuple(known["colour"])}) for known in words["materials"]]
    textures = [
        Texture(arrays[f"texture_{place}"], arrays[f"texture_{place}_file"].tobytes(), (across, down))
        for place, (across, down) in enumerate(words["wraps"])
    ]
    return Appearance(
        materials=tuple(materials),
        material=arrays["look_material"],
        uv=arrays.get("look_uv"),
        colours=arrays.get("look_colours"),
        textures=tuple(textures),
        notes=tuple(words["notes"]),
    )
