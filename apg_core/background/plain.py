"""Background removal for plain backgrounds, without a network: a colour model of the border, and what differs.

It says so when the picture is not one that it can be trusted with.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from skimage.color import rgb2lab

from apg_core.background.remover import Removed
from apg_core.protocol.prompt import Image

METHOD = "plain"
BORDER_SHARE = 0.02  # of the shorter side: the ring that is taken to be background
ROBUST_PASSES = 3
# Colour distances in CIELAB units, of which about two are just noticeable.
LEAST_DIFFERENCE, NOISE_FACTOR, PLAIN_RESIDUAL = 6.0, 4.0, 10.0
HOLE_SHARE = 2e-4  # of the picture: smaller enclosed spots of background colour belong to the object
SMALLEST_PIECE = 0.01  # of the object: smaller loose pieces are dust
LEAST_OBJECT, MOST_OBJECT, MOST_BORDER = 0.005, 0.95, 0.25
OPAQUE = 255


class PlainBackgroundRemover:
    """Takes for background what has the border's colour and reaches the border, or is a hole in the object."""

    def remove(self, image: Image) -> Removed:
        """Alpha with an edge about a pixel soft; all opaque, and unsure, where no object stands out."""
        rgb = np.ascontiguousarray(image[..., :3])
        lab = rgb2lab(rgb).astype(np.float32)
        ring = _ring(lab.shape[:2])
        model = _border_model(lab, ring)
        distance = np.linalg.norm(lab - model, axis=2)
        residual = float(np.median(distance[ring]))
        threshold = max(LEAST_DIFFERENCE, NOISE_FACTOR * residual)
        found = _object(distance > threshold)
        alpha = _soft_edge(found)
        note = _doubt(found, ring, residual)
        if not found.any():
            alpha = np.full(found.shape, OPAQUE, np.uint8)
        return Removed(np.dstack([rgb, alpha]), METHOD, note is not None, note)


def _ring(shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    width = max(1, round(BORDER_SHARE * min(shape)))
    ring = np.ones(shape, bool)
    ring[width:-width, width:-width] = False
    return ring


def _border_model(lab: Float[np.ndarray, "H W 3"], ring: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "H W 3"]:
    """A colour that varies linearly over the picture, fitted to the ring without its outliers."""
    rows, columns = (axis / max(axis.max(), 1) - 0.5 for axis in np.indices(ring.shape, np.float32))
    terms = np.stack([np.ones_like(rows), rows, columns], axis=-1)
    at, colours = terms[ring], lab[ring]
    kept = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
    inliers = kept <= np.quantile(kept, 0.8)
    for _ in range(ROBUST_PASSES):
        fit, *_ = np.linalg.lstsq(at[inliers], colours[inliers], rcond=None)
        error = np.linalg.norm(colours - at @ fit, axis=1)
        inliers = error <= max(LEAST_DIFFERENCE, 2.5 * float(np.median(error)))
    return terms @ fit


def _object(differs: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """What differs from the background, without dust and pinholes."""
    closed = ndimage.binary_opening(differs, iterations=1)
    spots, count = ndimage.label(~closed)
    if count:
        sizes = ndimage.sum_labels(~closed, spots, np.arange(count + 1))
        at_border = np.unique(np.concatenate([spots[0], spots[-1], spots[:, 0], spots[:, -1]]))
        background = sizes >= HOLE_SHARE * closed.size
        background[at_border] = True
        background[0] = False
        closed = ~background[spots]
    pieces, count = ndimage.label(closed)
    if count == 0:
        return closed
    sizes = ndimage.sum_labels(closed, pieces, np.arange(count + 1))
    keep = sizes >= SMALLEST_PIECE * sizes.sum()
    keep[0] = False
    return keep[pieces]


def _soft_edge(found: Bool[np.ndarray, "H W"]) -> np.ndarray:
    return np.round(OPAQUE * ndimage.gaussian_filter(found.astype(np.float32), 0.7)).astype(np.uint8)


def _doubt(found: Bool[np.ndarray, "H W"], ring: Bool[np.ndarray, "H W"], residual: float) -> str | None:
    share = float(found.mean())
    reasons = (
        (residual > PLAIN_RESIDUAL, "the border is not of one colour"),
        (share < LEAST_OBJECT, "no object stands out from the background"),
        (share > MOST_OBJECT, "nearly everything stands out from the border"),
        (float(found[ring].mean()) > MOST_BORDER, "the object runs over the border"),
    )
    for holds, reason in reasons:
        if holds:
            return f"background removal is unsure: {reason}; give an image with transparency, or RMBG-1.4's weights"
    return None
