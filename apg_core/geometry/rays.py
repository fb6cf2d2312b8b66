"""Rays at a mesh: by Embree where it is installed, else by libigl's tree of boxes, which is slower.

Both take origins and directions as rows; lengths are in units of the ray's own direction.
"""

import importlib.util
from dataclasses import dataclass
from typing import Protocol

import igl
import numpy as np
from jaxtyping import Bool, Float, Int

from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, slots=True)
class Hits:
    """What each ray meets first: a face or -1, where on it (weights of its second and third corner), how far away."""

    face: Int[np.ndarray, " Q"]
    u: Float[np.ndarray, " Q"]
    v: Float[np.ndarray, " Q"]
    distance: Float[np.ndarray, " Q"]
    """Beyond every scene, or infinite, where no face is met."""


class RayScene(Protocol):
    """A mesh that rays can be cast at."""

    def first(self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"]) -> Hits:
        """The first face that each ray meets."""
        ...

    def blocked(
        self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"], *, reach: float = np.inf
    ) -> Bool[np.ndarray, " Q"]:
        """Whether each ray meets any face within `reach` of its directions."""
        ...


def ray_scene(mesh: TriangleMesh) -> RayScene:
    """The mesh, ready for rays."""
    return EmbreeScene(mesh) if importlib.util.find_spec("embreex") is not None else TreeScene(mesh)


class EmbreeScene:
    """Rays in float32, by Embree."""

    def __init__(self, mesh: TriangleMesh) -> None:
        from embreex.mesh_construction import TriangleMesh as EmbreeMesh
        from embreex.rtcore_scene import EmbreeScene as Scene

        self._scene = Scene()
        EmbreeMesh(self._scene, mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))

    def first(self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"]) -> Hits:
        """See `RayScene`."""
        found = self._scene.run(origins.astype(np.float32), directions.astype(np.float32), output=True)
        return Hits(found["primID"], found["u"], found["v"], found["tfar"])

    def blocked(
        self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"], *, reach: float = np.inf
    ) -> Bool[np.ndarray, " Q"]:
        """See `RayScene`."""
        # Embree takes a length of its own for "no end".
        ends = {} if np.isinf(reach) else {"dists": np.full(len(origins), reach, np.float32)}
        found = self._scene.run(origins.astype(np.float32), directions.astype(np.float32), query="OCCLUDED", **ends)
        blocked: Bool[np.ndarray, " Q"] = found >= 0
        return blocked


class TreeScene:
    """Rays in float64, by libigl."""

    def __init__(self, mesh: TriangleMesh) -> None:
        self._vertices, self._faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._vertices, self._faces)

    def first(self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"]) -> Hits:
        """See `RayScene`."""
        return self._cast(origins, directions, np.inf)

    def blocked(
        self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"], *, reach: float = np.inf
    ) -> Bool[np.ndarray, " Q"]:
        """See `RayScene`."""
        return self._cast(origins, directions, reach).face >= 0

    def _cast(self, origins: Float[np.ndarray, "Q 3"], directions: Float[np.ndarray, "Q 3"], reach: float) -> Hits:
        rays = origins.astype(np.float64), directions.astype(np.float64)
        face, distance, corners = self._tree.intersect_ray_first(self._vertices, self._faces, *rays, reach)
        missed = face < 0
        distance[missed], corners[missed] = np.inf, 0
        return Hits(face.astype(np.int64), corners[:, 0], corners[:, 1], distance)
