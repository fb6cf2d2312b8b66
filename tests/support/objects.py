"""Small solids as meshes: parts of objects that people know."""

import numpy as np
import trimesh
from manifold3d import Manifold

from apg_core.geometry.parts.solids import mesh_of, solid_of
from apg_core.protocol.mesh import TriangleMesh

Place = tuple[float, float, float]


def as_mesh(solid: trimesh.Trimesh) -> TriangleMesh:
    return TriangleMesh(np.asarray(solid.vertices, np.float32), np.asarray(solid.faces, np.int32))


def block(size: Place, at: Place = (0, 0, 0)) -> TriangleMesh:
    return as_mesh(trimesh.creation.box(size, trimesh.transformations.translation_matrix(at)))


def ball(radius: float, at: Place = (0, 0, 0), *, subdivisions: int = 3) -> TriangleMesh:
    solid = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    solid.apply_translation(at)
    return as_mesh(solid)


def table(*, gap: float = 0.0) -> list[TriangleMesh]:
    """A top and four legs, which end `gap` below it."""
    legs = [block((0.1, 0.8, 0.1), (x, 0.05 - gap, z)) for x in (-0.8, 0.8) for z in (-0.4, 0.4)]
    return [block((2, 0.1, 1.2), (0, 0.5, 0)), *legs]


def union(*meshes: TriangleMesh) -> TriangleMesh:
    """These closed meshes as one."""
    solid = Manifold()
    for mesh in meshes:
        part = solid_of(mesh)
        assert part is not None
        solid += part
    return mesh_of(solid)
