"""What a background remover is, and what it gives back."""

from dataclasses import dataclass
from typing import Protocol

from apg_core.protocol.arrays import Image, RgbaImage


@dataclass(frozen=True, eq=False)
class Removed:
    """The image with its background transparent, its colours as they were, and whether the method trusts it."""

    rgba: RgbaImage
    method: str
    unsure: bool = False
    note: str | None = None


class BackgroundRemover(Protocol):
    """Makes the background of a picture of one object transparent."""

    def remove(self, image: Image) -> Removed:
        """The image with an alpha channel of the remover's making."""
        ...
