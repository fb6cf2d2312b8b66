"""Points on a surface, as the shape autoencoder reads them."""

from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float, Int

from apg_core.geometry.farthest import farthest_points
from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, kw_only=True)
class SurfaceSampling:
    """How many points: drawn by area, kept at random, kept by farthest points, and those that become tokens."""

    presamples: int = 500_000
    candidates: int = 65_536
    points: int = 32_768
    latents: int = 2048


@dataclass(frozen=True, eq=False)
class Surface:
    """Points (xyz, unit face normal) and the indices of those that become latent tokens, in the order found."""

    points: Float[np.ndarray, "P 6"]
    query_indices: Int[np.ndarray, " N"]


def zero_surface(sampling: SurfaceSampling) -> Surface:
    """The surface of nothing: all zeros, as the history of the first part."""
    return Surface(np.zeros((sampling.points, 6), np.float32), np.arange(sampling.latents))


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
