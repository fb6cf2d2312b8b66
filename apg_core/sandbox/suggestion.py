"""A part mask to begin with: regions of a picture within its object, as many as are wanted."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from apg_core.background.alpha import has_own_alpha
from apg_core.background.plain import PlainBackgroundRemover
from apg_core.errors import ImageError, OptionError
from apg_core.geometry.picture.hierarchy import Hierarchy
from apg_core.geometry.picture.regions import hierarchy_of
from apg_core.inputs import read_image
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mask import MaskOptions, MaskSuggestion

WORKING_EDGE = 768
SOLID = 128
LEAST_OBJECT = 16  # pixels


def suggest_mask(image: Path | str | Image, options: MaskOptions | None = None) -> MaskSuggestion:
    """Regions of the object in a picture, every number of them at once.

    The object is what is not transparent, or else what a classical method tells from a plain background; where that is
    not sure, the whole picture.

    Raises:
        ImageError: the picture cannot be read, or nothing of it is opaque.
        OptionError: more regions than there are superpixels.
    """
    options = options or MaskOptions()
    picture = image if isinstance(image, np.ndarray) else read_image(Path(image), InputLimits())
    hierarchy = _hierarchy(picture, remove_background=options.remove_background)
    most = len(hierarchy.parents) - 1
    if options.regions is not None and options.regions > most:
        raise OptionError(f"regions: the object has {most} regions at most, got {options.regions}", field="regions")
    height, width = hierarchy.labels.shape
    return MaskSuggestion(
        width=width,
        height=height,
        regions=options.regions or hierarchy.outstanding,
        parents=tuple(hierarchy.parents.tolist()),
        costs=tuple(np.round(hierarchy.costs, 4).tolist()),
        runs=tuple(_runs(hierarchy.labels)),
    )


def _hierarchy(image: Image, *, remove_background: bool) -> Hierarchy:
    if remove_background and not has_own_alpha(image):
        removed = PlainBackgroundRemover().remove(image)
        image = image if removed.unsure else removed.rgba
    small = Pillow.fromarray(np.ascontiguousarray(image))
    small.thumbnail((WORKING_EDGE, WORKING_EDGE), Pillow.Resampling.BOX)
    pixels = np.asarray(small)
    solid = np.ones(pixels.shape[:2], bool) if pixels.shape[2] == 3 else pixels[..., 3] >= SOLID
    if np.count_nonzero(solid) < LEAST_OBJECT:
        raise ImageError("the image has nothing but background; turn remove_background off", field="image")
    return hierarchy_of(np.ascontiguousarray(pixels[..., :3]), solid)


def _runs(labels: Labels) -> list[int]:
    flat = labels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    runs: list[int] = np.stack([flat[starts], lengths], axis=1).ravel().tolist()
    return runs
