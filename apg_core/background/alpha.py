"""Whether an image brings transparency of its own."""

import numpy as np

from apg_core.protocol.arrays import Image

CLEAR, SOLID = 8, 247  # at most, at least; of 255
SHARE = 0.01


def has_own_alpha(image: Image) -> bool:
    """Whether at least 1 % of the pixels are clear and 1 % solid (docs/how-it-works.md, "Generation step by step")."""
    if image.shape[2] != 4:
        return False
    alpha = image[..., 3]
    return bool(np.mean(alpha <= CLEAR) >= SHARE and np.mean(alpha >= SOLID) >= SHARE)
