"""From where a picture of an object was taken: the view in which the object's outline is most like the picture's.

Nobody says it, so it is looked for among views from the front, to both sides and from above; both outlines fill the
same box.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

if TYPE_CHECKING:
    from apg_core.geometry.rays import RayScene

_TURNS = np.radians(np.arange(-60, 61, 7.5))
_RISES = np.radians((0.0, 10.0, 20.0, 30.0, 45.0))
_NEARBY = np.radians((-5.0, -2.5, 0.0, 2.5, 5.0))
OUTLINE_PIXELS = 96
"""An edge, in which outlines of meshes are compared."""
DISTANCE = 5.0
"""Of the eye from the middle of the object, in the normalised frame: neither near nor far."""


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
        return self.axes[2] * DISTANCE

    def shares(self, places: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, "Q 2"]:
        """How far right and down in the object's box each place is, from 0 to 1."""
        seen = (_seen(self.axes, places) - self.low) / np.maximum(self.high - self.low, 1e-9)
        return np.stack([seen[:, 0], 1 - seen[:, 1]], axis=1)

    def rays(self, shares: Float[np.ndarray, "Q 2"]) -> Float[np.ndarray, "Q 3"]:
        """Directions from the eye to these shares of the object's box."""
        across = self.low[0] + shares[:, 0] * (self.high[0] - self.low[0])
        up = self.high[1] - shares[:, 1] * (self.high[1] - self.low[1])
        return np.asarray(across[:, None] * self.axes[0] + up[:, None] * self.axes[1] - self.axes[2])

    def rays_of_box(self, pixels: int) -> Float[np.ndarray, "Q 3"]:
        """Directions from the eye to the pixels of the object's box, `pixels` an edge, row by row from the top."""
        steps = (np.arange(pixels) + 0.5) / pixels
        right, down = (axis.reshape(-1) for axis in np.meshgrid(steps, steps))
        return self.rays(np.stack([right, down], axis=1))


Outline = Callable[[View], Bool[np.ndarray, " Q"]]
"""Of an object: which of the pixels of its box show it in a view."""


def outline_of(scene: "RayScene") -> Outline:
    """The outline of a mesh."""

    def outline(view: View) -> Bool[np.ndarray, " Q"]:
        directions = view.rays_of_box(OUTLINE_PIXELS)
        return scene.blocked(np.broadcast_to(view.eye, directions.shape), directions)

    return outline


def find_view(
    vertices: Float[np.ndarray, "V 3"],
    outline_in: Outline,
    shown: Bool[np.ndarray, "H W"],
    *,
    pixels: int = OUTLINE_PIXELS,
) -> tuple[View, float]:
    """The view whose outline is most like where the picture shows something, and how alike they are, up to 1.

    Outlines are compared in `pixels` an edge; the vertices say how large the object's box is.
    """
    left, top, right, bottom = box_of(shown)
    rows = np.linspace(top, bottom, pixels + 1)[:-1] + (bottom - top) / pixels / 2
    columns = np.linspace(left, right, pixels + 1)[:-1] + (right - left) / pixels / 2
    wanted = shown[rows.astype(int)][:, columns.astype(int)].reshape(-1)
    shape = (right - left) / (bottom - top)
    vertices = vertices.astype(np.float64)

    def likeness(angles: tuple[float, float]) -> float:
        view = View.of(vertices, *angles)
        outline = outline_in(view)
        width, height = np.maximum(view.high - view.low, 1e-9)
        ratio = width / height / shape
        # Rounded, so that among equals the first is taken, which is nearest to the front.
        return round(float((outline & wanted).sum() / max((outline | wanted).sum(), 1) * min(ratio, 1 / ratio)), 3)

    turn, rise = max(((turn, rise) for turn in sorted(_TURNS, key=abs) for rise in _RISES), key=likeness)
    near = ((turn + a, rise + b) for a in sorted(_NEARBY, key=abs) for b in sorted(_NEARBY, key=abs))
    best = max(near, key=likeness)
    return View.of(vertices, *best), likeness(best)


def box_of(shown: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is shown; the last two just beyond it."""
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _seen(axes: Float[np.ndarray, "3 3"], places: Float[np.ndarray, "Q 3"]) -> Float[np.ndarray, "Q 2"]:
    """Right and up of each place, one unit in front of the eye."""
    turned = places @ axes.T
    return turned[:, :2] / (DISTANCE - turned[:, 2:])
