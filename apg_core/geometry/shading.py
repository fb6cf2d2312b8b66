"""Normals for drawing: smooth where the surface is, and with an edge where it has one."""

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.mesh import TriangleMesh

CREASE = np.cos(np.radians(35.0))
"""Faces that meet at a larger angle do not share normals."""
_MANY = 64  # faces around one vertex, beyond which their normals are not compared pair by pair
_TINY = 1e-30


def corner_normals(mesh: TriangleMesh) -> Float[np.ndarray, "F 3 3"]:
    """Unit normals at each face's corners: the mean, by angle, of the faces around it that turn away by little.

    Vertices in one place count as one. A face without area has its neighbours' normals, or up where they have none.
    """
    vertices = mesh.vertices.astype(np.float64)
    _, place = np.unique(vertices, axis=0, return_inverse=True)
    owners = place.reshape(-1)[mesh.faces].reshape(-1)
    flat, weighted = _face_normals(vertices[mesh.faces])
    smooth = _summed(owners, weighted)
    left, right = _neighbours(owners)
    faces = flat[left // 3], flat[right // 3]
    alike = (np.einsum("ij,ij->i", *faces) >= CREASE) | (left // 3 == right // 3)
    left, right = left[alike], right[alike]
    total = np.stack([np.bincount(left, weighted[right, axis], len(owners)) for axis in range(3)], axis=1)
    normals = _unit(total, fallback=_unit(smooth[owners], fallback=np.array([0.0, 1.0, 0.0])))
    return normals.reshape(-1, 3, 3)


def _face_normals(corners: Float[np.ndarray, "F 3 3"]) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, "K 3"]]:
    """Of each face its normal, and of each corner that normal times the angle of the corner."""
    size = np.ptp(corners.reshape(-1, 3), axis=0).max(initial=0) or 1.0
    along = (np.roll(corners, -1, axis=1) - corners) / size
    across = np.cross(along[:, 0], along[:, 1])
    flat = _unit(across, fallback=np.zeros(3))
    back = -np.roll(along, 1, axis=1)
    sine = np.linalg.norm(np.cross(along, back), axis=2)
    angle = np.arctan2(sine, np.einsum("fci,fci->fc", along, back))
    return flat, (flat[:, None] * angle[..., None]).reshape(-1, 3)


def _summed(owners: Int[np.ndarray, " K"], values: Float[np.ndarray, "K 3"]) -> Float[np.ndarray, "V 3"]:
    return np.stack([np.bincount(owners, values[:, axis]) for axis in range(3)], axis=1)


def _neighbours(owners: Int[np.ndarray, " K"]) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """All pairs of corners at one vertex; where there are very many, each is paired with itself alone."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners)
    begin = np.cumsum(counts) - counts
    paired = np.where(counts > _MANY, 1, counts)
    each = paired[owners[order]]
    left = np.repeat(order, each)
    step = np.arange(len(left)) - np.repeat(np.cumsum(each) - each, each)
    right = np.where(np.repeat(each, each) > 1, order[np.minimum(begin[owners[left]] + step, len(order) - 1)], left)
    return left, right


def _unit(vectors: Float[np.ndarray, "K 3"], *, fallback: Float[np.ndarray, "*K 3"]) -> Float[np.ndarray, "K 3"]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > _TINY, vectors / np.maximum(lengths, _TINY), fallback)
