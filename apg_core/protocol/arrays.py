"""Shapes of numpy arrays, in the letters of `apg_core.shapes`; no torch, so that a light process can import it."""

import numpy as np
from jaxtyping import Float, Int, UInt8

LatentArray = Float[np.ndarray, "N C"]
FeatureArray = Float[np.ndarray, "T X"]
FaceArray = Int[np.ndarray, "F 3"]
RgbImage = UInt8[np.ndarray, "H W 3"]
RgbaImage = UInt8[np.ndarray, "H W 4"]
Image = UInt8[np.ndarray, "H W _"]  # 3 channels, or 4 with alpha; sRGB, not premultiplied
Coverage = Float[np.ndarray, "n n"]  # how much of each pixel an object covers, 0 to 1; NaN where nobody knows
Labels = Int[np.ndarray, "H W"]  # 0 is background, every other value a part
