"""How much of a GPU's memory the networks of a preset take; no weight is loaded to tell.

Weights and contexts are counted from the networks' own sizes; activations are estimated from their widths. Not measured
on a GPU yet.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from apg_core.models.background import BackgroundNet
from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.codec import FEWEST_QUERIES, QUERIES_AT_ONCE_GPU
from apg_core.presets import Preset
from apg_core.protocol.options import GenerationOptions

GB = 2**30
HALF, SINGLE = 2, 4  # bytes of a number: networks run in bf16 on a GPU, background removal in fp32
KEYS_AND_VALUES = 2
OWN_AND_JOINED = 2  # a trajectory keeps its context, and the batch a joined copy
BLOCK_WIDTHS = (
    12  # widths of activations that a transformer block holds at once: queries, keys, values, 4x feed-forward
)
FIELD_WIDTHS = 8  # the same for the field decoder's one block over many queries
GPU_PROCESSES = 4  # of the service: background, encoder, sampler, codec
CUDA_CONTEXT = 0.5 * GB  # of one process, before anything is loaded
USABLE = 0.92  # of a GPU's memory: the rest is lost to fragmentation and the driver
ROWS_OF_AN_OBJECT = 2  # at the default guidance
Fit = Literal["whole", "low_memory", "none"]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on a GPU that runs every network once."""

    weights: dict[str, float]
    context_of_a_row: float
    """Keys and values of one network evaluation's conditions, both copies."""
    activations_of_a_row: float
    decoding: float
    """The field of one latent, `QUERIES_AT_ONCE_GPU` points at a time."""

    @property
    def fixed(self) -> float:
        """What is taken before any object is there."""
        return sum(self.weights.values()) + self.decoding + GPU_PROCESSES * CUDA_CONTEXT

    @property
    def row(self) -> float:
        """What one more row of a step takes."""
        return self.context_of_a_row + self.activations_of_a_row

    def rows_on(self, card_bytes: float) -> int:
        """How many rows fit on a card beside everything else."""
        return max(0, int((USABLE * card_bytes - self.fixed) / self.row))


def memory(preset: Preset) -> Memory:
    """What a preset's networks take in bf16."""
    dit = preset.dit
    image_tokens = preset.image_encoder.num_tokens
    geometry_tokens = 2 * preset.num_latents  # the whole and the history
    tokens = dit.num_layers * image_tokens + dit.token_cross_attention_layer * geometry_tokens
    layers_kept = dit.num_layers // 2  # outputs that wait for their skip connections
    return Memory(
        weights={
            "part denoiser": HALF * parameters(PartDit, dit),
            "shape autoencoder": HALF * parameters(ShapeVae, preset.vae),
            "image encoder": HALF * parameters(ImageEncoder, preset.image_encoder),
            "background": SINGLE * parameters(BackgroundNet),
        },
        context_of_a_row=OWN_AND_JOINED * KEYS_AND_VALUES * HALF * tokens * dit.width,
        activations_of_a_row=HALF * (preset.num_latents + 1) * dit.width * (BLOCK_WIDTHS + layers_kept),
        decoding=HALF * QUERIES_AT_ONCE_GPU * preset.vae.decoder_width * FIELD_WIDTHS,
    )


def parameters(network: type[nn.Module], *config: object) -> int:
    """How many numbers a network holds."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in network(*config).parameters())


def fit(preset: Preset, card_bytes: float) -> Fit:
    """Whether one process on a card of this size holds all networks, one at a time (`low_memory`), or not even that."""
    needs = memory(preset)
    best_of = preset.complete(GenerationOptions()).best_of
    room = USABLE * card_bytes - CUDA_CONTEXT
    working = max(best_of * ROWS_OF_AN_OBJECT * needs.row, needs.decoding)
    if sum(needs.weights.values()) + working <= room:
        return "whole"
    least = max(needs.row, needs.decoding * FEWEST_QUERIES / QUERIES_AT_ONCE_GPU)
    return "low_memory" if max(needs.weights.values()) + least <= room else "none"
