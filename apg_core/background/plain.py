"""Background removal for plain backgrounds, without a network: a colour model of the border, and what differs.

It says so when the picture is not one that it can be trusted with.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image as Pillow
from scipy import ndimage
from skimage.color import rgb2lab

from apg_core.background.remover import Removed
from apg_core.protocol.arrays import Image

METHOD = "plain"
WORKING_EDGE = 1024  # longer edge at which the object is looked for; twice what the image encoder sees
BORDER_SHARE = 0.02  # of the shorter side: the ring that is taken to be background
ROBUST_PASSES = 3
# Colour distances in CIELAB units, of which about two are just noticeable.
LEAST_DIFFERENCE, NOISE_FACTOR, PLAIN_RESIDUAL = 6.0, 4.0, 10.0
# A shadow is the background darkened: same hue, not black, and without edges (CIELAB units a pixel).
SHADOW_HUE, SHADOW_DARKEST, SHADOW_SLOPE, SHADOW_MOST = 4.0, 0.55, 2.0, 0.6
HOLE_SHARE = 1e-3  # of the picture: smaller enclosed spots of background colour are highlights
SMALLEST_PIECE = 0.01  # of the object: smaller loose pieces are dust
EDGE = 2  # pixels on either side of the outline where alpha may be partial
LEAST_OBJECT, MOST_OBJECT, MOST_BORDER = 0.005, 0.95, 0.25
OPAQUE = 255

Lab = Float[np.ndarray, "H W 3"]
Distance = Float[np.ndarray, "H W"]
Region = Bool[np.ndarray, "H W"]


class PlainBackgroundRemover:
    """Takes for background what has the border's colour, its soft shadow included, and reaches the border.

    Larger enclosed spots of that colour are holes in the object.
    """

    def remove(self, image: Image) -> Removed:
        """Alpha with an edge about a pixel soft; all opaque, and unsure, where no object stands out."""
        rgb = np.ascontiguousarray(image[..., :3])
        lab = rgb2lab(_shrunk(rgb)).astype(np.float32)
        ring = _ring(lab.shape[:2])
        model = _border_model(lab, ring)
        distance = np.linalg.norm(lab - model, axis=2)
        residual = float(np.median(distance[ring]))
        differs = distance > max(LEAST_DIFFERENCE, NOISE_FACTOR * residual)
        found = _object(_without_shadow(differs, lab, model))
        note = _doubt(found, ring, residual)
        alpha = _soft_alpha(found, distance) if found.any() else np.full(found.shape, OPAQUE, np.uint8)
        size = (rgb.shape[1], rgb.shape[0])
        enlarged = np.asarray(Pillow.fromarray(alpha).resize(size, Pillow.Resampling.BILINEAR))
        return Removed(np.dstack([rgb, enlarged]), METHOD, note is not None, note)


def _shrunk(rgb: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
    picture = Pillow.fromarray(rgb)
    picture.thumbnail((WORKING_EDGE, WORKING_EDGE), Pillow.Resampling.BOX)
    return np.asarray(picture)


def _ring(shape: tuple[int, ...]) -> Region:
    width = max(1, round(BORDER_SHARE * min(shape)))
    ring = np.ones(shape, bool)
    ring[width:-width, width:-width] = False
    return ring


def _border_model(lab: Lab, ring: Region) -> Lab:
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


def _without_shadow(differs: Region, lab: Lab, model: Lab) -> Region:
    """What differs, less the darker background that runs without an edge into the background proper.

    All of it where that would take most of the object: then the object is grey, and it is no shadow.
    """
    shade = lab[..., 0] / np.maximum(model[..., 0], 1)
    hue = np.linalg.norm(lab[..., 1:] - model[..., 1:] * shade[..., None], axis=2)
    calm = ndimage.gaussian_gradient_magnitude(lab[..., 0], 1) < SHADOW_SLOPE
    candidates = calm & (hue < SHADOW_HUE) & (shade > SHADOW_DARKEST) & (shade < 1)
    # One pixel thinner and back, so that a narrow gap in the object's outline lets nothing through.
    open_ground = ndimage.binary_erosion(~differs | candidates, border_value=1)
    reached = ndimage.binary_propagation(_touching_border(~differs) & open_ground, mask=open_ground)
    left = differs & ~ndimage.binary_dilation(reached, iterations=EDGE)
    return left if left.sum() > (1 - SHADOW_MOST) * differs.sum() else differs


def _touching_border(region: Region) -> Region:
    labels, _ = ndimage.label(region)
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, at_border[at_border > 0])


def _object(differs: Region) -> Region:
    """What differs from the background, without dust and pinholes."""
    opened = ndimage.binary_opening(np.pad(differs, 1, mode="edge"))[1:-1, 1:-1]
    holes = ~opened & ~_touching_border(~opened)
    solid = opened | (holes & ~_at_least(holes, HOLE_SHARE * holes.size))
    return _at_least(solid, SMALLEST_PIECE * solid.sum())


def _at_least(region: Region, size: float) -> Region:
    """The connected pieces of a region that have this many pixels."""
    labels, _ = ndimage.label(region)
    kept = np.bincount(labels.ravel()) >= size
    kept[0] = False
    pieces: Region = kept[labels]
    return pieces


def _soft_alpha(found: Region, distance: Distance) -> UInt8[np.ndarray, "H W"]:
    """Along the outline, how far a pixel's colour is on the way from the background's to the object's."""
    inside = ndimage.binary_erosion(found, iterations=EDGE, border_value=1)
    outside = ~ndimage.binary_dilation(found)
    reach = ndimage.maximum_filter(np.where(found, distance, 0), 2 * EDGE + 1)
    share = np.clip(distance / np.maximum(reach, LEAST_DIFFERENCE), 0, 1)
    return np.round(OPAQUE * np.where(inside, 1, np.where(outside, 0, share))).astype(np.uint8)


def _doubt(found: Region, ring: Region, residual: float) -> str | None:
    share = float(found.mean())
    corners = found[[0, 0, -1, -1], [0, -1, 0, -1]]
    reasons = (
        (residual > PLAIN_RESIDUAL, "the border is not of one colour"),
        (share < LEAST_OBJECT, "no object stands out from the background"),
        (share > MOST_OBJECT, "nearly everything stands out from the border"),
        (found[ring].mean() > MOST_BORDER or corners.sum() > 1, "the object runs over the border"),
    )
    for holds, reason in reasons:
        if holds:
            return f"background removal is unsure: {reason}; give an image with transparency, or RMBG-1.4's weights"
    return None
