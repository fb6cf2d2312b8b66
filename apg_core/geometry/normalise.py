"""The normalised frame: an object centred on its bounding box, with max |coordinate| 1."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an object was before: x_before = x * scale + centre."""

    centre: Float[np.ndarray, "3"]
    scale: float


def normalise(mesh: TriangleMesh) -> tuple[TriangleMesh, Placement]:
    """The mesh in the normalised frame, and how to get back."""
    low, high = mesh.bounds.astype(np.float64)
    centre = (low + high) / 2
    scale = float((high - low).max() / 2)
    return replace(mesh, vertices=(mesh.vertices - centre) / scale), Placement(centre, scale)
