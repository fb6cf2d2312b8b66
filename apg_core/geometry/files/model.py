"""What is written into a file: named meshes with their looks."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from apg_core.geometry.files.frame import FileFrame
from apg_core.protocol.appearance import Appearance, Material, Texture
from apg_core.protocol.mesh import TriangleMesh

GENERATOR = f"autopartgen-ray {importlib.metadata.version('autopartgen-ray')}"


@dataclass(frozen=True, eq=False, slots=True)
class FilePart:
    """One mesh of a file, in the file's frame."""

    name: str
    mesh: TriangleMesh
    looks: Mapping[str, Appearance]
    """By name; the first is the one that is shown, the others are there to choose from, where a format can say so."""
    extras: Mapping[str, object] = field(default_factory=dict)
    """What the file says of it, in plain JSON."""

    @property
    def look(self) -> Appearance:
        """How it looks."""
        return next(iter(self.looks.values()))

    @property
    def uv(self) -> Float[np.ndarray, "F 3 2"] | None:
        """Places in a texture: those of the first look that has any."""
        return next((look.uv for look in self.looks.values() if look.uv is not None), None)


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """What one file holds."""

    parts: Sequence[FilePart]
    frame: FileFrame = field(default_factory=FileFrame)
    """That the parts are in."""
    extras: Mapping[str, object] = field(default_factory=dict)
    """What the file says of itself, in plain JSON."""
    packed: bool = False
    """Whether it is packed, where the format has a way for that."""


class Palette:
    """The textures and materials of several looks in one list each, without repetition."""

    def __init__(self) -> None:
        self.textures: list[Texture] = []
        self.materials: list[Material] = []
        self._texture_places: dict[int, int] = {}
        self._material_places: dict[Material, int] = {}

    def place(self, look: Appearance, material: int) -> int:
        """Where a look's material is in `materials`, added if need be; its texture is a place in `textures`."""
        own = look.materials[material]
        if own.texture is not None:
            own = replace(own, texture=self._texture(look.textures[own.texture]))
        if own not in self._material_places:
            self._material_places[own] = len(self.materials)
            self.materials.append(own)
        return self._material_places[own]

    def _texture(self, texture: Texture) -> int:
        if id(texture) not in self._texture_places:
            self._texture_places[id(texture)] = len(self.textures)
            self.textures.append(texture)
        return self._texture_places[id(texture)]
