"""The one glossary of array shapes.

B batch, N latent tokens, C latent channels, T image tokens, X image width, XX whole and part features side by side,
D model width, S geometry slots, P surface points, Q query points, V vertices, F faces, H and W image rows and columns.
Shapes of numpy arrays, in the same letters, are in `apg_core.protocol.arrays`.

Checked in tests only (jaxtyping's import hook); at run time these are plain annotations.
"""

from jaxtyping import Float
from torch import Tensor

Latents = Float[Tensor, "B N C"]
ImageTokens = Float[Tensor, "B T X"]
GeometrySlots = Float[Tensor, "B S N C"]
SurfacePoints = Float[Tensor, "B P 6"]
QueryPoints = Float[Tensor, "B Q 3"]
FieldValues = Float[Tensor, "B Q"]
