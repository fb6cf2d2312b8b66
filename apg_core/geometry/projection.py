"""A picture's colours on the parts of the object in it: what the picture shows from there, the rest from nearby.

Nobody says from where the picture was taken, so the view is found: the one in which the parts' outline is most like the
picture's, once both fill the same box.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from apg_core.geometry.rays import RayScene, ray_scene
from apg_core.geometry.shading import corner_normals
from apg_core.protocol.appearance import Appearance, Material, linear
from apg_core.protocol.arrays import RgbImage
from apg_core.protocol.mesh import TriangleMesh

_TURNS = np.radians(np.arange(-60, 61, 7.5))
_RISES = np.radians((0.0, 10.0, 20.0, 30.0, 45.0))
_NEARBY = np.radians((-5.0, -2.5, 0.0, 2.5, 5.0))
_OUTLINE = 96  # pixels an edge, in which outlines are compared
_WHITE = 245  # all channels above it: the white that prepared pictures have around the object
_FACING = 0.2  # cosine to the view; flatter faces take colours from beside them, where they are not smeared
_DISTANCE = 5.0  # of the eye from the middle of the object, in the normalised frame: neither near nor far
MATERIAL = Material("picture", roughness=0.8)


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A place to look from, and the object's box one unit in front of it: right and up, smallest and largest."""

    axes: Float[np.ndarray, "3 3"]
    """Right, up, and towards the viewer."""
    low: Float[np.ndarray, "2"]
    high: Float[np.ndarray, "2"]

    @classmethod
    def of(cls, vertices: Float[np.ndarray, "V 3"], turn: float, rise: float) -> "View":
        """Of an object from the front, turned to its right and risen."""
        back = np.array([np.cos(rise) * np.sin(turn), np.sin(rise), np.cos(rise) * np.cos(turn)])
        right = np.array([np.cos(turn), 0.0, -np.sin(turn)])
        axes = np.stack([right, np.cross(back, right), back])
        seen = _seen(axes, vertices)
        return cls(axes, seen.min(axis=0), seen.max(axis=0))

    @property
    def eye(self) -> Float[np.ndarray, " 3"]:
        """Where it is seen from."""
        return self.axes[2] * _DISTANCE

    def shares(self, places: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, "Q 2"]:
        """How far right and down in the object's box each place is, from 0 to 1."""
        seen = (_seen(self.axes, places) - self.low) / np.maximum(self.high - self.low, 1e-9)
        return np.stack([seen[:, 0], 1 - seen[:, 1]], axis=1)

    def outline(self, scene: RayScene) -> Bool[np.ndarray, "n n"]:
        """Where in its box the object is."""
        steps = (np.arange(_OUTLINE) + 0.5) / _OUTLINE
        right, down = (axis.reshape(-1) for axis in np.meshgrid(steps, steps))
        across = self.low[0] + right * (self.high[0] - self.low[0])
        up = self.high[1] - down * (self.high[1] - self.low[1])
        directions = across[:, None] * self.axes[0] + up[:, None] * self.axes[1] - self.axes[2]
        hit = scene.blocked(np.broadcast_to(self.eye, directions.shape), directions)
        return hit.reshape(_OUTLINE, _OUTLINE)


def picture_looks(meshes: Sequence[TriangleMesh], picture: RgbImage) -> list[Appearance] | None:
    """The looks of parts in the normalised frame, from a picture of them on white; None where it shows nothing.

    What is hidden takes the colour of the nearest place of its part that is not, or else of any part.
    """
    shown: Bool[np.ndarray, "H W"] = np.asarray((picture < _WHITE).any(axis=-1))
    if not shown.any():
        return None
    joined = TriangleMesh.joined(list(meshes))
    scene = ray_scene(joined)
    view = find_view(joined, scene, shown)
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


def _seen(axes: Float[np.ndarray, "3 3"], places: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, "Q 2"]:
    """Right and up of each place, one unit in front of the eye."""
    turned = places @ axes.T
    return turned[:, :2] / (_DISTANCE - turned[:, 2:])


def find_view(mesh: TriangleMesh, scene: RayScene, shown: Bool[np.ndarray, "H W"]) -> View:
    """The view whose outline is most like where the picture shows something."""
    left, top, right, bottom = _box(shown)
    rows = np.linspace(top, bottom, _OUTLINE + 1)[:-1] + (bottom - top) / _OUTLINE / 2
    columns = np.linspace(left, right, _OUTLINE + 1)[:-1] + (right - left) / _OUTLINE / 2
    wanted = shown[rows.astype(int)][:, columns.astype(int)]
    shape = (right - left) / (bottom - top)
    vertices = mesh.vertices.astype(np.float64)

    def likeness(angles: tuple[float, float]) -> float:
        view = View.of(vertices, *angles)
        outline = view.outline(scene)
        width, height = np.maximum(view.high - view.low, 1e-9)
        ratio = width / height / shape
        # Rounded, so that among equals the first is taken, which is nearest to the front.
        return round(float((outline & wanted).sum() / max((outline | wanted).sum(), 1) * min(ratio, 1 / ratio)), 3)

    turn, rise = max(((turn, rise) for turn in sorted(_TURNS, key=abs) for rise in _RISES), key=likeness)
    near = ((turn + a, rise + b) for a in sorted(_NEARBY, key=abs) for b in sorted(_NEARBY, key=abs))
    return View.of(vertices, *max(near, key=likeness))


def _projected(
    view: View, places: Float[np.ndarray, "Q 3"], picture: RgbImage, shown: Bool[np.ndarray, "H W"]
) -> Float[np.ndarray, "Q 3"]:
    """Linear colour of the picture where each place is in it; beside the object, that of its nearest pixel."""
    left, top, right, bottom = _box(shown)
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


def _box(shown: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is shown; the last two just beyond it."""
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
