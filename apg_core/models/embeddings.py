"""Sinusoidal embeddings: of a number (time, noise level, slot) and of a point."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

POINT_OCTAVES = 8
POINT_CHANNELS = 3 + 2 * 3 * POINT_OCTAVES


def sinusoidal(values: Num[Tensor, "*b"], width: int) -> Float[Tensor, "*b {width}"]:
    """[sin, cos] of each value at width/2 frequencies from 1 down to 1/10000, in fp32."""
    half = width // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=values.device) / half)
    angles = values.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def embed_points(points: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 51"]:
    """The point, then the sines and cosines of each coordinate at eight octaves (no factor of pi), in fp32."""
    points = points.float()
    octaves = 2.0 ** torch.arange(POINT_OCTAVES, device=points.device)
    angles = (points[..., None] * octaves).flatten(-2)
    return torch.cat([points, angles.sin(), angles.cos()], dim=-1)


class EmbeddingMlp(nn.Module):
    """Linear, exact GELU, linear: what turns a sinusoidal embedding into a model's own."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, 4 * width)
        self.linear_2 = nn.Linear(4 * width, out_width)

    def forward(self, embedding: Float[Tensor, "*b D"]) -> Float[Tensor, "*b O"]:
        return self.linear_2(F.gelu(self.linear_1(embedding.to(self.linear_1.weight.dtype))))
