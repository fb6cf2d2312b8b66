"""Which pieces of surface touch each other, by rays along their edges and off their faces."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from apg_core.geometry.rays import RayScene, ray_scene
from apg_core.protocol.mesh import TriangleMesh


def reached(pieces: Sequence[TriangleMesh], start: Sequence[bool], *, tolerance: float) -> Bool[np.ndarray, " K"]:
    """Which pieces touch those in `start`, directly or through others; touching is coming within `tolerance`.

    Two pieces touch where an edge of one, or a stub of that length off its faces, meets the other. A piece that
    floats inside another one's hollow touches nothing.
    """
    probes = [_Probe(piece, tolerance) for piece in pieces]
    found = np.array(start, bool)
    fresh = list(np.flatnonzero(found))
    while fresh:
        near = probes[fresh.pop()]
        for other in np.flatnonzero(~found):
            if near.touches(probes[other]):
                found[other] = True
                fresh.append(other)
    return found


class _Probe:
    """A piece as something to cast rays at, and the rays that feel for others."""

    def __init__(self, piece: TriangleMesh, tolerance: float) -> None:
        corners = piece.vertices[piece.faces].astype(np.float32)
        self.low, self.high = corners.min(axis=(0, 1)) - tolerance, corners.max(axis=(0, 1)) + tolerance
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
        stub = np.repeat(normals * tolerance, 3, axis=0).astype(np.float32)
        places = corners.reshape(-1, 3)
        # From behind the face, so that what lies on it is met, too.
        self._from = np.concatenate([places, places - stub])
        self._along = np.concatenate([(np.roll(corners, -1, axis=1) - corners).reshape(-1, 3), 2 * stub])
        self._piece = piece
        self._scene: RayScene | None = None  # built when first felt for

    def touches(self, other: "_Probe") -> bool:
        """Whether a ray of either meets the other."""
        if (self.high < other.low).any() or (other.high < self.low).any():
            return False
        return self._meets(other) or other._meets(self)

    def _meets(self, other: "_Probe") -> bool:
        ends = self._from + self._along
        within = (np.maximum(self._from, ends) >= other.low).all(axis=1)
        within &= (np.minimum(self._from, ends) <= other.high).all(axis=1)
        if not within.any():
            return False
        if other._scene is None:
            other._scene = ray_scene(other._piece)
        return bool(other._scene.blocked(self._from[within], self._along[within], reach=1).any())
