"""A picture's colours on the parts of the object in it: what the picture shows from there, the rest from nearby."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from apg_core.geometry.rays import ray_scene
from apg_core.geometry.shading import corner_normals
from apg_core.geometry.values import NEARLY_WHITE
from apg_core.geometry.view import View, box_of, find_view, outline_of
from apg_core.protocol.appearance import Appearance, Material, linear
from apg_core.protocol.arrays import RgbImage
from apg_core.protocol.mesh import TriangleMesh

_FACING = 0.2  # cosine to the view; flatter faces take colours from beside them, where they are not smeared
MATERIAL = Material("picture", roughness=0.8)


def picture_looks(meshes: Sequence[TriangleMesh], picture: RgbImage) -> list[Appearance] | None:
    """The looks of parts in the normalised frame, from a picture of them on white; None where it shows nothing.

    What is hidden takes the colour of the nearest place of its part that is not, or else of any part.
    """
    shown: Bool[np.ndarray, "H W"] = np.asarray((picture < NEARLY_WHITE).any(axis=-1))
    if not shown.any():
        return None
    joined = TriangleMesh.joined(list(meshes))
    scene = ray_scene(joined)
    view, _ = find_view(joined.vertices, outline_of(scene), shown)
    corners = joined.vertices[joined.faces].reshape(-1, 3).astype(np.float64)
    normals = corner_normals(joined).reshape(-1, 3)
    colours = _projected(view, corners, picture, shown)
    toward = view.eye - corners
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    seen = np.einsum("qi,qi->q", normals, toward) > _FACING
    seen[seen] = ~scene.blocked(corners[seen] + 2e-3 * (normals[seen] + toward[seen]), toward[seen])
    if not seen.any():
        return None
    anywhere = cKDTree(corners[seen]), colours[seen]
    looks, start = [], 0
    for mesh in meshes:
        own = slice(start, start := start + 3 * len(mesh.faces))
        shows = seen[own]
        tree, known = (cKDTree(corners[own][shows]), colours[own][shows]) if shows.any() else anywhere
        hidden = ~shows
        rgba = np.ones((len(shows), 4), np.float32)
        rgba[:, :3] = colours[own]
        rgba[hidden, :3] = known[tree.query(corners[own][hidden])[1]]
        looks.append(Appearance((MATERIAL,), np.zeros(len(mesh.faces), np.int32), colours=rgba.reshape(-1, 3, 4)))
    return looks


def _projected(
    view: View, places: Float[np.ndarray, "Q 3"], picture: RgbImage, shown: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "Q 3"]:
    """Linear colour of the picture where each place is in it; beside the object, that of its nearest pixel."""
    left, top, right, bottom = box_of(shown)
    # Pixels at the outline are half white.
    inner = distance_transform_edt(shown) > 1.5
    if not inner.any():
        inner = shown
    rows, columns = distance_transform_edt(~inner, return_distances=False, return_indices=True)
    at = view.shares(places) * [right - left, bottom - top] + [left, top]
    column = np.clip(at[:, 0].astype(int), 0, picture.shape[1] - 1)
    row = np.clip(at[:, 1].astype(int), 0, picture.shape[0] - 1)
    pixels = picture[rows[row, column], columns[row, column]]
    return linear(pixels / 255.0)
