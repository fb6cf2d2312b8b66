"""What the caller gives, and which mode that is. Arrays are decoded and checked already; see `apg_core.inputs`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from apg_core.errors import PromptError
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import Mode as Mode

InputName = Literal["image", "mesh", "mask"]


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Prompt:
    """The inputs of one generation.

    Raises:
        PromptError: neither image nor mesh, or a mask without an image.
    """

    image: Image | None = None
    """A picture of the object; where there is no mesh, the whole is sampled from it."""
    mesh: TriangleMesh | None = None
    """The whole object, in any frame."""
    mask: Labels | None = None
    """Which pixels of the image belong to which part."""

    def __post_init__(self) -> None:
        assert self.mode  # raises where there is none

    @cached_property
    def mode(self) -> Mode:
        """Which of the modes this is."""
        return mode_of(name for name in INPUTS if getattr(self, name) is not None)

    @cached_property
    def regions(self) -> tuple[int, ...] | None:
        """Labels of the mask in the order in which their parts are made; None without a mask, where the model ends."""
        return None if self.mask is None else mask_regions(self.mask)


def mask_regions(labels: Labels) -> tuple[int, ...]:
    """The labels other than zero in the order their parts are made: bottom row first, then left column."""
    values, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    bottom, left = np.zeros(len(values), int), np.zeros(len(values), int)
    for row, within in enumerate(places):
        bottom[within] = row
    for column in reversed(range(places.shape[1])):
        left[places[:, column]] = column
    ordered = values[np.lexsort((left, -bottom))].tolist()
    return tuple(label for label in ordered if label != 0)
