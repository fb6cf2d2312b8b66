"""The part denoiser: a diffusion transformer over latent tokens.

It reads a noisy latent, a timestep, image features and slots of geometry latents, and predicts v. Everything that
stays the same along a trajectory (keys and values of both contexts, the history's noise embedding) is a
`DitContext`, computed once. What it is given: docs/how-it-works.md, "Guidance" and "Generation step by step".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor, nn

from apg_core.models.attention import Block, KeyValue, LayerNorm, as_blocks
from apg_core.models.configs import PartDitConfig
from apg_core.models.embeddings import EmbeddingMlp, sinusoidal
from apg_core.shapes import GeometrySlots, Latents

SLOT_EMBEDDING_WIDTH = 256
SIGMA_UNIT = 1000  # history noise levels are embedded on the timestep's scale


@dataclass(frozen=True)
class DitContext:
    """What a trajectory's steps share: per block keys and values, and what the history's noise adds to time."""

    image: tuple[KeyValue, ...]
    geometry: tuple[KeyValue, ...]
    history: Float[Tensor, "_ D"]

    def take(self, image_rows: Sequence[int], geometry_rows: Sequence[int]) -> "DitContext":
        """One row for each pair of indices."""
        return DitContext(
            image=tuple((_rows(key, image_rows), _rows(value, image_rows)) for key, value in self.image),
            geometry=tuple((_rows(key, geometry_rows), _rows(value, geometry_rows)) for key, value in self.geometry),
            history=_rows(self.history, geometry_rows),
        )

    @staticmethod
    def joined(contexts: Sequence["DitContext"]) -> "DitContext":
        """The rows of all contexts, in order; they must have the same token counts."""
        if len(contexts) == 1:
            return contexts[0]
        return DitContext(
            image=_join([context.image for context in contexts]),
            geometry=_join([context.geometry for context in contexts]),
            history=torch.cat([context.history for context in contexts]),
        )


def _rows(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    if len(set(rows)) == 1:  # one context for every row needs no copy of it
        return tensor[rows[0]].expand(len(rows), *tensor.shape[1:])
    return tensor[list(rows)]


def _join(stacks: Sequence[tuple[KeyValue, ...]]) -> tuple[KeyValue, ...]:
    return tuple(
        (torch.cat([key for key, _ in layer]), torch.cat([value for _, value in layer]))
        for layer in zip(*stacks, strict=True)
    )


class PartDit(nn.Module):
    """Predicts v from a noisy latent and its context."""

    def __init__(self, config: PartDitConfig) -> None:
        super().__init__()
        self.config = config
        width, channels, image_width = config.width, config.latent_channels, config.image_width
        self.time_proj = EmbeddingMlp(width, width)
        self.sigma_history_proj = EmbeddingMlp(width, width)
        self.sigma_per_part_proj = EmbeddingMlp(width, channels)
        self.proj_in = nn.Linear(channels, width)
        self.part_position_embedding = nn.ModuleDict({"linear": nn.Linear(SLOT_EMBEDDING_WIDTH, width)})
        self.map_position = nn.Linear(width, channels)
        self.cond_proj = nn.Sequential(
            nn.Linear(2 * image_width, image_width),
            nn.GELU(),
            LayerNorm(image_width),
            nn.Linear(image_width, image_width),
        )
        middle = config.num_layers // 2
        self.blocks = nn.ModuleList(
            Block(
                width,
                config.num_attention_heads,
                context_widths=(image_width, channels)
                if index < config.token_cross_attention_layer
                else (image_width,),
                head_norm=True,
                ff_norm="norm_ff",
                skip=index > middle,
            )
            for index in range(config.num_layers)
        )
        self.norm_out = LayerNorm(width)
        self.proj_out = nn.Linear(width, channels)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights, and of what the blocks compute in."""
        return self.proj_in.weight.dtype

    def image_context(self, image: Float[Tensor, "B T XX"]) -> tuple[KeyValue, ...]:
        """Keys and values of [whole features ; part features], per block."""
        tokens = self.cond_proj(image.to(self.dtype))
        return tuple(block.attn2.keys_values(tokens) for block in as_blocks(self.blocks))

    def geometry_context(
        self, geometry: GeometrySlots, sigma: Float[Tensor, "B S"] | None = None
    ) -> tuple[tuple[KeyValue, ...], Float[Tensor, "B D"]]:
        """Keys and values of the geometry slots per block, and the embedding of the history's noise.

        `sigma` is the noise level of each slot in [0, 1]; without it the slots are clean and not told so.
        """
        batch, slots = geometry.shape[:2]
        index = torch.arange(slots, device=geometry.device)
        position = self.part_position_embedding["linear"](sinusoidal(index, SLOT_EMBEDDING_WIDTH).to(self.dtype))
        tokens = geometry.to(self.dtype) + F.silu(self.map_position(position))[:, None]
        mean_sigma = torch.zeros(batch, device=geometry.device)
        if sigma is not None:
            tokens = tokens + self.sigma_per_part_proj(sinusoidal(SIGMA_UNIT * sigma, self.config.width))[:, :, None]
            mean_sigma = sigma.mean(dim=1)
        history = self.sigma_history_proj(sinusoidal(SIGMA_UNIT * mean_sigma, self.config.width))
        tokens = tokens.flatten(1, 2)
        crossed = as_blocks(self.blocks)[: self.config.token_cross_attention_layer]
        return tuple(block.attn3.keys_values(tokens) for block in crossed), history

    def context(
        self,
        image: Float[Tensor, "B T XX"],
        geometry: GeometrySlots,
        sigma: Float[Tensor, "B S"] | None = None,
    ) -> DitContext:
        """All that the steps of B trajectories share."""
        keys_values, history = self.geometry_context(geometry, sigma)
        return DitContext(image=self.image_context(image), geometry=keys_values, history=history)

    def forward(self, noisy: Latents, timestep: Num[Tensor, "B"], context: DitContext) -> Latents:
        """The v-prediction, in the dtype of the weights; `timestep` is 0..999."""
        time = self.time_proj(sinusoidal(timestep, self.config.width)) + context.history
        x = torch.cat([time[:, None], self.proj_in(noisy.to(self.dtype))], dim=1)
        middle = len(self.blocks) // 2
        stack: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            contexts = [context.image[index], *context.geometry[index : index + 1]]
            x = block(x, *contexts, skip=stack.pop() if index > middle else None)
            if index < middle:
                stack.append(x)
        # Sliced last: of a strided input torch rounds a product before it adds the bias, and one row is never strided.
        return self.proj_out(self.norm_out(x))[:, 1:]
