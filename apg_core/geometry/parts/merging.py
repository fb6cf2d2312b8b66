"""Several parts made one: their boolean union, where they are closed."""

from collections.abc import Sequence

import numpy as np
from manifold3d import Error, Manifold, Mesh64, OpType

from apg_core.geometry.parts.cleanup import Cleaned
from apg_core.protocol.mesh import TriangleMesh


def merge(meshes: Sequence[TriangleMesh]) -> Cleaned:
    """The surface of what any of these solids encloses.

    Where one of them is not closed, there is no such thing: they are laid over each other then, and a note says so.
    """
    solids = [_solid(mesh) for mesh in meshes]
    closed = [solid for solid in solids if solid is not None]
    if len(closed) < len(solids):
        open_ones = f"{len(solids) - len(closed)} of {len(solids)} merged parts are not closed"
        note = f"{open_ones}: they are laid over each other, not united"
        return Cleaned(TriangleMesh.joined(list(meshes)), (note,))
    united = Manifold.batch_boolean(closed, OpType.Add).to_mesh64()
    vertices = np.array(united.vert_properties)[:, :3].astype(meshes[0].vertices.dtype)
    return Cleaned(TriangleMesh(vertices, np.array(united.tri_verts).astype(meshes[0].faces.dtype)), ())


def _solid(mesh: TriangleMesh) -> Manifold | None:
    """The mesh as a solid, corners at one place made one; None where it is not closed, or inside out."""
    vertices, inverse = np.unique(mesh.vertices.astype(np.float64), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[mesh.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    solid = Manifold(Mesh64(vertices, np.ascontiguousarray(faces).astype(np.uint64)))
    return solid if solid.status() == Error.NoError and solid.volume() > 0 else None
