"""The normalised frame: an object centred on its bounding box, max |coordinate| 1, y up; the way there and back."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from apg_core.protocol.formats import Axis
from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an object was before: x_before = x * scale + centre, with y up; then turned, where `up` is z."""

    centre: Float[np.ndarray, "3"]
    scale: float
    up: Axis = "y"


def upright(mesh: TriangleMesh, up: Axis) -> TriangleMesh:
    """A mesh whose axis `up` points up, turned so that y does: (x, y, z) becomes (x, z, -y). `turned` goes back."""
    if up == "y":
        return mesh
    x, y, z = mesh.vertices.T
    return replace(mesh, vertices=np.stack([x, z, -y], axis=1))


def turned(vertices: Float[np.ndarray, "V 3"], *, to: Axis) -> Float[np.ndarray, "V 3"]:
    """Places in a frame with y up, in one where the axis `to` is: (x, y, z) becomes (x, -z, y) with z up."""
    if to == "y":
        return vertices
    x, y, z = vertices.T
    return np.stack([x, -z, y], axis=1)


def normalise(mesh: TriangleMesh, *, up: Axis = "y") -> tuple[TriangleMesh, Placement]:
    """The mesh, whose axis `up` points up, in the normalised frame and without its looks, and how to get back."""
    mesh = upright(replace(mesh, look=None), up)
    low, high = mesh.bounds.astype(np.float64)
    centre = (low + high) / 2
    scale = float((high - low).max() / 2)
    return replace(mesh, vertices=(mesh.vertices - centre) / scale), Placement(centre, scale, up)
