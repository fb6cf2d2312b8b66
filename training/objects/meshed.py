"""Objects whose parts are meshes: real ones, and those of families built by boolean operations.

The counterpart of `batch.py` and `render.py` for closed triangle meshes: poses, surfaces, distances, pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import igl
import numpy as np
from embreex.mesh_construction import TriangleMesh as EmbreeMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float, Int, UInt8

from apg_core.protocol.mesh import TriangleMesh
from training.objects.batch import SAME_HEIGHT
from training.objects.fusing import fused
from training.objects.render import FRAME_MARGIN, Cameras


@dataclass(frozen=True, eq=False)
class MeshedObject:
    """Parts in canonical order (bottom first, then left first) and the union's surface, largest |coordinate| 1."""

    parts: tuple[TriangleMesh, ...]
    whole: TriangleMesh

    @classmethod
    def of(cls, parts: Sequence[TriangleMesh]) -> "MeshedObject":
        """Fuse the parts, then place and order them."""
        return cls(tuple(parts), fused(parts)).moved(np.eye(3))

    def moved(self, matrix: Float[np.ndarray, "3 3"]) -> "MeshedObject":
        """The object under a linear map (turns, stretches, mirrors), centred, scaled and ordered again."""
        corners = self.whole.vertices @ matrix.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        middle, scale = (low + high) / 2, float((high - low).max()) / 2
        flipped = np.linalg.det(matrix) < 0

        def placed(mesh: TriangleMesh) -> TriangleMesh:
            faces = mesh.faces[:, ::-1] if flipped else mesh.faces
            return TriangleMesh((mesh.vertices @ matrix.T - middle) / scale, np.ascontiguousarray(faces))

        parts = [placed(part) for part in self.parts]
        lows = [part.vertices.min(axis=0) for part in parts]
        parts = [
            parts[i] for i in sorted(range(len(parts)), key=lambda i: (round(lows[i][1] / SAME_HEIGHT), lows[i][0]))
        ]
        return MeshedObject(tuple(parts), placed(self.whole))

    def subset(self, chosen: Sequence[bool]) -> list[TriangleMesh]:
        """The chosen parts."""
        return [part for part, taken in zip(self.parts, chosen, strict=True) if taken]


def surface_of(mesh: TriangleMesh, count: int, *, rng: np.random.Generator) -> Float[np.ndarray, "P 6"]:
    """Uniform points of a mesh with their faces' unit normals."""
    corners = mesh.vertices[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    twice = np.linalg.norm(cross, axis=1)
    total = np.cumsum(twice)
    face = np.searchsorted(total, rng.random(count) * total[-1]).clip(max=len(twice) - 1)
    u = rng.random((count, 2))
    u = np.where(u.sum(axis=1, keepdims=True) > 1, 1 - u, u)
    a, b, c = (corners[face, i] for i in range(3))
    points = a + u[:, :1] * (b - a) + u[:, 1:] * (c - a)
    return np.concatenate([points, cross[face] / np.maximum(twice[face], 1e-12)[:, None]], axis=1).astype(np.float32)


def signed_distance(meshes: Sequence[TriangleMesh], points: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, " Q"]:
    """Signed distance to the union, negative inside (a lower bound inside overlaps)."""
    places = points.astype(np.float64)
    nearest = np.full(len(points), np.inf)
    for mesh in meshes:
        vertices, faces = mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64)
        distance = np.sqrt(igl.point_mesh_squared_distance(places, vertices, faces)[0])
        inside = np.abs(igl.fast_winding_number(vertices, faces, places)) > 0.5
        nearest = np.minimum(nearest, np.where(inside, -distance, distance))
    return nearest


def picture(
    parts: Sequence[TriangleMesh], cameras: Cameras, row: int, colours: Float[np.ndarray, "S 3"], *, size: int
) -> tuple[UInt8[np.ndarray, "H W 3"], Int[np.ndarray, "H W"]]:
    """One ray a pixel, shaded as `render.render` does, on white; and the part at each pixel, -1 on the background."""
    joined = TriangleMesh.joined(list(parts))
    axes = cameras.axes()[row].numpy().astype(np.float64)
    eye = axes[2] * float(cameras.distance[row])
    seen = (joined.vertices - eye) @ axes.T
    plane = seen[:, :2] / -seen[:, 2:]
    low, high = plane.min(axis=0), plane.max(axis=0)
    half = FRAME_MARGIN / 2 * (high - low).max()
    steps = (np.arange(size) + 0.5) / size * 2 - 1
    down, across = np.meshgrid(-steps, steps, indexing="ij")
    grid = np.stack([across, down], -1).reshape(-1, 2) * half + (low + high) / 2
    rays = np.concatenate([grid, -np.ones((len(grid), 1))], axis=1) @ axes
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    scene = EmbreeScene()
    EmbreeMesh(scene, joined.vertices.astype(np.float32), joined.faces.astype(np.int32))
    origins = np.broadcast_to(eye, rays.shape).astype(np.float32).copy()
    face = scene.run(origins, rays.astype(np.float32), output=True)["primID"]
    hit = face >= 0
    owner = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
    corners = joined.vertices[joined.faces[face[hit]]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    normal *= np.where((normal * rays[hit]).sum(axis=1, keepdims=True) > 0, -1, 1)
    light = axes[2] + 0.6 * axes[0] + np.array([0.0, 1.0, 0.0])
    light /= np.linalg.norm(light)
    shade = 0.45 + 0.55 * (normal @ light).clip(min=0)
    part = np.full(size * size, -1)
    part[hit] = owner[face[hit]]
    rgb = np.ones((size * size, 3))
    rgb[hit] = colours[part[hit]] * shade[:, None]
    return (rgb * 255).round().astype(np.uint8).reshape(size, size, 3), part.reshape(size, size)
