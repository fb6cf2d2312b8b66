"""A triangle mesh as arrays: what travels between stages and processes."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.appearance import Appearance, joined_looks


@dataclass(frozen=True, eq=False, slots=True)
class TriangleMesh:
    """Vertices and faces, y up; faces turn anticlockwise seen from outside."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    source: Int[np.ndarray, " F"] | None = None
    """For what was cut from a given mesh: the face of that mesh that each face lies in, -1 for faces of a cut."""
    look: Appearance | None = None
    """How a given mesh looks, where its file says so, and a part where it looks as a picture shows it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no face at all."""
        return len(self.faces) == 0

    @property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Smallest and largest coordinates."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @classmethod
    def empty(cls) -> Self:
        """The mesh of nothing."""
        return cls(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))

    @classmethod
    def joined(cls, meshes: list["TriangleMesh"]) -> Self:
        """All meshes laid over each other, faces kept as they are; without `source` where one of them has none."""
        if not meshes:
            return cls.empty()
        offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
        faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
        sources = [mesh.source for mesh in meshes if mesh.source is not None]
        source = np.concatenate(sources) if len(sources) == len(meshes) else None
        look = joined_looks([(mesh.look, len(mesh.faces)) for mesh in meshes])
        return cls(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces), source, look)
