"""The frame of a file: where a mesh lies in it, which axis points up, and what one unit is."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from apg_core.geometry.normalise import Placement, turned
from apg_core.protocol.formats import Axis
from apg_core.protocol.mesh import TriangleMesh

Unit = Literal["meter", "millimeter"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FileFrame:
    """How to get from the normalised frame to a file's."""

    placement: Placement | None = None
    """Where the given mesh was, for parts that go back there."""
    up: Axis = "y"
    unit: Unit = "meter"

    def place(self, mesh: TriangleMesh) -> TriangleMesh:
        """The mesh, which is in the normalised frame, in the file's; in double precision."""
        vertices = mesh.vertices.astype(np.float64)
        if self.placement is not None:
            vertices = vertices * self.placement.scale + self.placement.centre
        return replace(mesh, vertices=turned(vertices, to=self.up))

    @property
    def about(self) -> str:
        """The frame in words, for a file's comment."""
        where = "in the given mesh's place" if self.placement is not None else "centred, max |coordinate| 1"
        return f"{self.up} up, unit {self.unit}, {where}"
