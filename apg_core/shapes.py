"""The one glossary of array shapes.

B batch, N latent tokens, C latent channels, T image tokens, X image width, D model width,
S geometry slots, P surface points, Q query points, V vertices, F faces, H and W image rows and columns.

Checked in tests only (jaxtyping's import hook); at run time these are plain annotations.
"""

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Latents = Float[Tensor, "B N C"]
ImageTokens = Float[Tensor, "B T X"]
GeometrySlots = Float[Tensor, "B S N C"]
SurfacePoints = Float[Tensor, "B P 6"]
QueryPoints = Float[Tensor, "B Q 3"]
FieldValues = Float[Tensor, "B Q"]

LatentArray = Float[np.ndarray, "N C"]
FeatureArray = Float[np.ndarray, "T X"]
SurfaceArray = Float[np.ndarray, "P 6"]
VertexArray = Float[np.ndarray, "V 3"]
FaceArray = Int[np.ndarray, "F 3"]
RgbImage = UInt8[np.ndarray, "H W 3"]
RgbaImage = UInt8[np.ndarray, "H W 4"]
LabelImage = Int[np.ndarray, "H W"]
