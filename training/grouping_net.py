"""The network that says which pieces of a solid belong together, as it is trained; `apg_core` runs it in numpy.

Pairs of pieces carry what the network knows; there are 40 pieces at most, so that all pairs, and all threes, are few.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from apg_core.geometry.parts.together import OUTLIER

WIDTH, PAIR_WIDTH, TRIANGLE, HEADS, LAYERS = 64, 48, 24, 4, 3
DROPPED = 0.15


class Layer(nn.Module):
    """Pairs hear of their pieces and of third ones; pieces hear of each other by what their pairs say."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(DROPPED)
        self.pair_norm = nn.LayerNorm(PAIR_WIDTH)
        self.left, self.right = nn.Linear(WIDTH, PAIR_WIDTH), nn.Linear(WIDTH, PAIR_WIDTH)
        self.pair_in, self.pair_out = nn.Linear(PAIR_WIDTH, 2 * PAIR_WIDTH), nn.Linear(2 * PAIR_WIDTH, PAIR_WIDTH)
        self.third_norm = nn.LayerNorm(PAIR_WIDTH)
        self.first, self.second = nn.Linear(PAIR_WIDTH, TRIANGLE), nn.Linear(PAIR_WIDTH, TRIANGLE)
        self.third_out = nn.Linear(TRIANGLE, PAIR_WIDTH)
        self.norm, self.said_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(PAIR_WIDTH)
        self.heed = nn.Linear(PAIR_WIDTH, HEADS)
        self.value, self.said = nn.Linear(WIDTH, WIDTH), nn.Linear(PAIR_WIDTH, WIDTH)
        self.heard = nn.Linear(WIDTH, WIDTH)
        self.inner_norm = nn.LayerNorm(WIDTH)
        self.inner_in, self.inner_out = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(
        self, h: Float[Tensor, "B K W"], e: Float[Tensor, "B K K E"], there: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K W"], Float[Tensor, "B K K E"]]:
        x = self.pair_norm(e) + self.left(h)[:, :, None] + self.right(h)[:, None]
        e = e + self.drop(self.pair_out(nn.functional.silu(self.pair_in(x))))
        x = self.third_norm(e)
        first = self.first(x) * there[:, None, :, None]
        third = torch.einsum("bikc,bjkc->bijc", first, torch.sigmoid(self.second(x)))
        e = e + self.drop(self.third_out(third / there.sum(1)[:, None, None, None] ** 0.5))
        said = self.said_norm(e)
        weight = self.heed(said).masked_fill(~there[:, None, :, None], -1e4).softmax(2)
        values = (self.value(self.norm(h))[:, None] + self.said(said)).unflatten(-1, (HEADS, -1))
        h = h + self.drop(self.heard(torch.einsum("bijh,bijhc->bihc", weight, values).flatten(2)))
        h = h + self.drop(self.inner_out(nn.functional.silu(self.inner_in(self.inner_norm(h)))))
        return h, e


class GroupingNet(nn.Module):
    """Log odds that two pieces are of one part; the number of measures comes with their means and deviations."""

    alone_mean: Tensor
    alone_scale: Tensor
    pairs_mean: Tensor
    pairs_scale: Tensor

    def __init__(
        self,
        alone: tuple[Float[Tensor, " A"], Float[Tensor, " A"]],
        pairs: tuple[Float[Tensor, " P"], Float[Tensor, " P"]],
    ) -> None:
        super().__init__()
        for name, (mean, scale) in (("alone", alone), ("pairs", pairs)):
            self.register_buffer(f"{name}_mean", mean)
            self.register_buffer(f"{name}_scale", scale)
        self.enter, self.enter_pair = nn.Linear(len(alone[0]), WIDTH), nn.Linear(len(pairs[0]), PAIR_WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.end_norm = nn.LayerNorm(PAIR_WIDTH)
        self.end_in, self.end_out = nn.Linear(PAIR_WIDTH, PAIR_WIDTH), nn.Linear(PAIR_WIDTH, 1)

    def forward(
        self, alone: Float[Tensor, "B K A"], pairs: Float[Tensor, "B K K P"], there: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K K"]:
        h = self.enter(((alone - self.alone_mean) / self.alone_scale).clamp(-OUTLIER, OUTLIER))
        e = self.enter_pair(((pairs - self.pairs_mean) / self.pairs_scale).clamp(-OUTLIER, OUTLIER))
        for layer in self.layers:
            h, e = layer(h, e, there)
        x = self.end_norm(e + e.transpose(1, 2))
        logits: Tensor = self.end_out(nn.functional.silu(self.end_in(x)))[..., 0]
        return logits
