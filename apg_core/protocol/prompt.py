"""What the caller gives. Arrays are decoded and checked already; see `apg_core.inputs`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import INPUTS, Mode, mode_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Prompt:
    """The inputs of one generation.

    Raises:
        PromptError: neither image nor mesh, or a mask without an image.
    """

    image: Image | None = None
    """A picture of the object; where there is no mesh, the whole is sampled from it."""
    mesh: TriangleMesh | None = None
    """The whole object, in any frame."""
    mask: Labels | None = None
    """Which pixels of the image belong to which part."""
    notes: tuple[str, ...] = ()
    """What was done to the inputs when they were read, for the manifest's warnings."""

    def __post_init__(self) -> None:
        assert self.mode  # raises where there is none

    @cached_property
    def mode(self) -> Mode:
        """Which of the modes this is."""
        return mode_of(name for name in INPUTS if getattr(self, name) is not None)

    @cached_property
    def regions(self) -> tuple[int, ...] | None:
        """Labels of the mask in the order in which their parts are made; None without a mask, where the model ends."""
        return None if self.mask is None else mask_regions(self.mask)


def mask_regions(labels: Labels) -> tuple[int, ...]:
    """The labels other than zero in the order their parts are made: bottom row first, then left column."""
    values, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    bottom, left = np.zeros(len(values), int), np.zeros(len(values), int)
    for row, within in enumerate(places):
        bottom[within] = row
    for column in reversed(range(places.shape[1])):
        left[places[:, column]] = column
    ordered = values[np.lexsort((left, -bottom))].tolist()
    return tuple(label for label in ordered if label != 0)
