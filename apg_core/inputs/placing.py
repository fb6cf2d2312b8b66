"""Meshes moved to their place in a scene."""

import numpy as np
from jaxtyping import Float

from apg_core.protocol.mesh import TriangleMesh

Transform = Float[np.ndarray, "4 4"]


def placed(mesh: TriangleMesh, transform: Transform) -> TriangleMesh:
    """The mesh in its parent's frame; where that mirrors it, faces are turned round to keep facing outwards."""
    turn = transform[:3, :3]
    vertices = mesh.vertices @ turn.T + transform[:3, 3]
    if np.linalg.det(turn) >= 0:
        return TriangleMesh(vertices, mesh.faces, look=mesh.look)
    return TriangleMesh(vertices, mesh.faces[:, ::-1], look=None if mesh.look is None else mesh.look.turned_round())
