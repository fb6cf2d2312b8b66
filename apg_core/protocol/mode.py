"""Which inputs there are, and which sets of them are a mode; without NumPy, for clients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from apg_core.errors import PromptError

Mode = Literal["image", "mesh", "image_mesh", "image_mask", "image_mesh_mask"]
InputName = Literal["image", "mesh", "mask"]


class InputEntry(BaseModel):
    """One input file, as the job and the manifest list it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """The name that it came with, without folders."""
    sha256: str
    """Hash of its content, lower-case hexadecimal."""


@dataclass(frozen=True)
class InputKind:
    """One kind of input: what it is, and how its files end."""

    about: str
    endings: tuple[str, ...]


INPUTS: Mapping[InputName, InputKind] = {
    "image": InputKind("a picture of the object: PNG, JPEG or WebP", (".png", ".jpg", ".jpeg", ".webp")),
    "mesh": InputKind(
        "the whole object: GLB, glTF, OBJ, PLY, STL or OFF", (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")
    ),
    "mask": InputKind("an indexed part mask of the picture; 0 is background", (".png", ".webp")),
}
"""Every input there is, in the order in which they are named."""

MODES: Mapping[frozenset[str], Mode] = {
    frozenset({"image"}): "image",
    frozenset({"mesh"}): "mesh",
    frozenset({"image", "mesh"}): "image_mesh",
    frozenset({"image", "mask"}): "image_mask",
    frozenset({"image", "mesh", "mask"}): "image_mesh_mask",
}
"""The mode of each set of inputs that can be worked from; the only place that says so."""


def mode_of(given: Iterable[str]) -> Mode:
    """The mode of inputs of these names; asked before any of them is read.

    Raises:
        PromptError: neither image nor mesh, or a mask without an image.
    """
    names = frozenset(given)
    if (mode := MODES.get(names)) is not None:
        return mode
    if "mask" in names:
        raise PromptError("a mask needs the image whose pixels it labels; give an image too", field="mask")
    raise PromptError("nothing to work from; give an image, a mesh, or both", field="image")
