"""The image stage on the CPU: background and crop."""

from collections.abc import Sequence

import numpy as np

from apg_core.background.alpha import has_own_alpha
from apg_core.background.remover import BackgroundRemover
from apg_core.pipeline.prepare import OUTLINE_SIZE, prepare_labels, prepare_outline, prepare_region, prepare_whole
from apg_core.pipeline.stages import PreparedImages
from apg_core.protocol.arrays import Image, Labels, RgbaImage

OPAQUE = 255


class ImagePreparer:
    """Puts the object and its mask regions on white, at the encoder's size."""

    def __init__(self, remover: BackgroundRemover, *, size: int) -> None:
        self._remover = remover
        self._size = size

    def prepare(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        """The whole and one picture a label; an image with transparency of its own keeps it.

        Raises:
            MaskError: a label has no pixel left in the image.
        """
        rgba, warning = self._on_transparent(image, remove_background)
        regions = () if mask is None else tuple(prepare_region(rgba, mask, label, self._size) for label in labels)
        cropped = None if mask is None else prepare_labels(rgba, mask, self._size)
        outline = None if warning else prepare_outline(rgba, OUTLINE_SIZE)
        return PreparedImages(prepare_whole(rgba, self._size), regions, warning, cropped, outline)

    def _on_transparent(self, image: Image, remove_background: bool) -> tuple[RgbaImage, str | None]:
        if remove_background and not has_own_alpha(image):
            removed = self._remover.remove(image)
            return removed.rgba, removed.note if removed.unsure else None
        if image.shape[2] == 4:
            return image, None
        return np.dstack([image, np.full(image.shape[:2], OPAQUE, np.uint8)]), None
