"""Which mask region each piece of a solid shows in the picture that the mask belongs to."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from manifold3d import Manifold

from apg_core.geometry.parts.solids import mesh_of
from apg_core.geometry.rays import ray_scene
from apg_core.geometry.values import RegionPicture
from apg_core.geometry.view import box_of, find_view, outline_of
from apg_core.protocol.mesh import TriangleMesh

ALIKE = 0.75
"""Likeness of the outlines of solid and picture (`find_view`) below which the picture shows something else."""


def pixels_seen(pieces: Sequence[Manifold], picture: RegionPicture, *, parts: int) -> Float[np.ndarray, "K S"] | None:
    """How many pixels of each piece show each of `parts` parts; None where no view makes solid and picture alike."""
    if not picture.shown.any():
        return None
    meshes = [mesh_of(piece) for piece in pieces]
    joined = TriangleMesh.joined(meshes)
    scene = ray_scene(joined)
    view, likeness = find_view(joined.vertices, outline_of(scene), picture.shown)
    if likeness < ALIKE:
        return None
    rows, columns = np.nonzero(picture.shown & (picture.part >= 0))
    left, top, right, bottom = box_of(picture.shown)
    shares = np.stack([(columns + 0.5 - left) / (right - left), (rows + 0.5 - top) / (bottom - top)], axis=1)
    directions = view.rays(shares)
    face = scene.first(np.broadcast_to(view.eye, directions.shape), directions).face.astype(np.int64)
    piece_of_face = np.repeat(np.arange(len(meshes)), [len(mesh.faces) for mesh in meshes])
    # A ray that meets nothing has a number past all faces, or below them.
    met = (face >= 0) & (face < len(piece_of_face))
    seen = np.zeros((len(pieces), parts))
    np.add.at(seen, (piece_of_face[face[met]], picture.part[rows, columns][met]), 1)
    return seen
