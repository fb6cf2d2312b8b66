"""Pictures of a result: the parts assembled and exploded, and the mask in the parts' colours."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from apg_core.geometry.picture.colours import Colour
from apg_core.geometry.picture.raycast import cast_picture
from apg_core.protocol.arrays import Labels, RgbaImage
from apg_core.protocol.mesh import TriangleMesh

# How far a part moves away from the centre, as a share of its distance from it.
EXPLOSION = 0.7
# What a mesh without parts looks like.
PLAIN: Colour = (176, 180, 186, 255)
_PICTURE_MARGIN = 0.09


def preview(
    meshes: Sequence[TriangleMesh],
    colours: Sequence[Colour],
    *,
    given: UInt8[np.ndarray, "H W _"] | TriangleMesh | None = None,
    size: int = 560,
) -> UInt8[np.ndarray, "{size} _ 3"]:
    """The parts together and pulled apart, side by side on white, after the picture or mesh that was given.

    Every panel is a square of `size` pixels. Meshes are in one frame, y up, seen from the front right. A mesh with a
    look of its own has that instead of its colour.
    """
    first = [_framed(given, size)] if isinstance(given, np.ndarray) else []
    views = [(meshes, colours), (exploded(meshes), colours)]
    if isinstance(given, TriangleMesh):
        shown = given if given.look is not None and given.look.says_something else replace(given, look=None)
        views.insert(0, ([shown], [PLAIN]))
    drawn = [np.round(255 * cast_picture(*view, size=size)).astype(np.uint8) for view in views]
    return np.concatenate(first + drawn, axis=1)


def exploded(meshes: Sequence[TriangleMesh], *, amount: float = EXPLOSION) -> list[TriangleMesh]:
    """The parts moved away from the centre of them all."""
    centres = [mesh.bounds.mean(axis=0) for mesh in meshes]
    middle = TriangleMesh.joined(list(meshes)).bounds.mean(axis=0)
    return [
        replace(mesh, vertices=mesh.vertices + amount * (centre - middle))
        for mesh, centre in zip(meshes, centres, strict=True)
    ]


def coloured_mask(labels: Labels, colours: Mapping[int, Colour]) -> RgbaImage:
    """The mask with each label in its colour; other labels, and the background, are transparent."""
    image = np.zeros((*labels.shape, 4), np.uint8)
    for label, colour in colours.items():
        image[labels == label] = colour
    return image


def _framed(picture: UInt8[np.ndarray, "H W _"], size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """The picture on a white square, whole, with the margin of the other panels."""
    given = Image.fromarray(picture).convert("RGBA")
    room = round(size * (1 - 2 * _PICTURE_MARGIN))
    scale = room / max(given.size)
    fitted = given.resize([max(1, round(side * scale)) for side in given.size], Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size), "white")
    square.alpha_composite(fitted, ((size - fitted.width) // 2, (size - fitted.height) // 2))
    return np.asarray(square.convert("RGB"))
