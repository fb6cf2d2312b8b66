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
    """One kind of input: what it is, and the formats of its files with their endings."""

    meaning: str
    formats: Mapping[str, tuple[str, ...]]

    @property
    def accepted(self) -> str:
        """The formats' names, for people."""
        *first, last = self.formats
        return f"{', '.join(first)} or {last}"

    @property
    def about(self) -> str:
        """What it is, and the formats that it may have."""
        return f"{self.meaning}: {self.accepted}"

    @property
    def endings(self) -> tuple[str, ...]:
        """How its files may end, lower case, with the dot."""
        return tuple(ending for endings in self.formats.values() for ending in endings)


INPUTS: Mapping[InputName, InputKind] = {
    "image": InputKind(
        "a picture of the object",
        {
            "PNG": (".png",),
            "JPEG": (".jpg", ".jpeg"),
            "WebP": (".webp",),
            "BMP": (".bmp",),
            "TIFF": (".tif", ".tiff"),
            "GIF": (".gif",),
            "AVIF": (".avif",),
        },
    ),
    "mesh": InputKind(
        "the whole object",
        {
            "GLB": (".glb",),
            "glTF": (".gltf",),
            "OBJ": (".obj",),
            "PLY": (".ply",),
            "STL": (".stl",),
            "OFF": (".off",),
            "3MF": (".3mf",),
            "zip of one glTF or OBJ and the files beside it": (".zip",),
        },
    ),
    "mask": InputKind(
        "the picture's parts, numbered or each in a colour of its own; 0, black and transparent are background",
        {"PNG": (".png",), "WebP": (".webp",)},
    ),
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
