"""Points on a surface, as the shape autoencoder reads them."""

import numpy as np
import trimesh
from jaxtyping import Float, Int

from apg_core.geometry.farthest import farthest_points
from apg_core.geometry.values import Surface, SurfaceSampling
from apg_core.protocol.mesh import TriangleMesh


def sample_surface(mesh: TriangleMesh, sampling: SurfaceSampling, *, seed: int) -> Surface:
    """Area-weighted samples with their faces' normals, thinned by farthest points.

    docs/how-it-works.md, "Generation step by step".
    """
    random = np.random.default_rng(seed)
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    drawn, faces = trimesh.sample.sample_surface(surface, sampling.presamples, seed=random)
    kept = random.choice(len(drawn), sampling.candidates, replace=False)
    candidates = np.concatenate([drawn[kept], surface.face_normals[faces[kept]]], axis=1).astype(np.float32)
    points = candidates[_farthest(candidates[:, :3], sampling.points, random)]
    return Surface(points, _farthest(points[:, :3], sampling.latents, random))


def _farthest(xyz: Float[np.ndarray, "P 3"], count: int, random: np.random.Generator) -> Int[np.ndarray, " N"]:
    return farthest_points(xyz, count, start_idx=int(random.integers(len(xyz))))
