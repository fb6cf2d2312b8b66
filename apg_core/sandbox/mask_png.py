"""A suggested part mask as a file."""

import io

import numpy as np
from PIL import Image as Pillow

from apg_core.geometry.picture.colours import part_colour
from apg_core.geometry.picture.hierarchy import Hierarchy
from apg_core.protocol.arrays import Labels
from apg_core.protocol.mask import MaskSuggestion


def labels_of(suggestion: MaskSuggestion, regions: int | None = None) -> Labels:
    """The labels of this many regions, of as many as it suggests without."""
    values, lengths = np.array(suggestion.runs).reshape(-1, 2).T
    labels = np.repeat(values, lengths).reshape(suggestion.height, suggestion.width).astype(np.int32)
    hierarchy = Hierarchy(labels, np.array(suggestion.parents), np.array(suggestion.costs))
    return hierarchy.at(regions or suggestion.regions)


def suggestion_png(suggestion: MaskSuggestion) -> bytes:
    """The mask of as many regions as it suggests, as an indexed PNG of its own size."""
    return mask_png(labels_of(suggestion), (suggestion.width, suggestion.height))


def mask_png(labels: Labels, size: tuple[int, int]) -> bytes:
    """Up to 255 regions as an indexed PNG of this width and height, a colour for each."""
    count = int(labels.max())
    picture = Pillow.fromarray(labels.astype(np.uint8)).resize(size, Pillow.Resampling.NEAREST)
    picture = Pillow.frombytes("P", picture.size, picture.tobytes())
    colours = [(0, 0, 0), *(part_colour(place, count)[:3] for place in range(count))]
    picture.putpalette([value for colour in colours for value in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
