"""The vector-set autoencoder: surface points to latent tokens, latent tokens to a field.

What becomes of both: docs/how-it-works.md, "Field and surface".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from apg_core.models.attention import Block, KeyValue, LayerNorm, as_blocks
from apg_core.models.configs import ShapeVaeConfig
from apg_core.models.embeddings import POINT_CHANNELS, embed_points
from apg_core.shapes import FieldValues, Latents, QueryPoints, SurfacePoints

LOG_VARIANCE_RANGE = (-30.0, 20.0)


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian over latents, in VAE scale."""

    mean: Latents
    log_variance: Latents

    def sample(self, generator: torch.Generator) -> Latents:
        """One draw; the noise is made on the generator's device."""
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device).to(self.mean)
        return self.mean + torch.exp(0.5 * self.log_variance) * noise


class _Encoder(nn.Module):
    def __init__(self, config: ShapeVaeConfig) -> None:
        super().__init__()
        width, heads = config.encoder_width, config.num_attention_heads
        self.proj_in = nn.Linear(POINT_CHANNELS + 3, width)
        first = Block(width, heads, self_attention=False, context_widths=(width,), norm_context=True)
        rest = [Block(width, heads) for _ in range(config.num_layers_encoder)]
        self.blocks = nn.ModuleList([first, *rest])
        self.norm_out = LayerNorm(width)

    def forward(self, surface: SurfacePoints, query_indices: Int[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        embedded = torch.cat([embed_points(surface[..., :3]), surface[..., 3:].float()], dim=-1)
        tokens = self.proj_in(embedded.to(self.proj_in.weight.dtype))
        x = torch.take_along_dim(tokens, query_indices[..., None], dim=1)
        first, *rest = as_blocks(self.blocks)
        x = first(x, first.attn2.keys_values(tokens))
        for block in rest:
            x = block(x)
        return self.norm_out(x)


class _Decoder(nn.Module):
    def __init__(self, config: ShapeVaeConfig) -> None:
        super().__init__()
        width, heads = config.decoder_width, config.num_attention_heads
        blocks = [Block(width, heads) for _ in range(config.num_layers_decoder)]
        read = Block(width, heads, self_attention=False, context_widths=(width,), norm_context=True)
        self.blocks = nn.ModuleList([*blocks, read])
        self.proj_query = nn.Linear(POINT_CHANNELS, width)
        self.norm_out = LayerNorm(width)
        self.proj_out = nn.Linear(width, 1)

    def context(self, x: Float[Tensor, "B N D"]) -> KeyValue:
        *blocks, read = as_blocks(self.blocks)
        for block in blocks:
            x = block(x)
        return read.attn2.keys_values(x)

    def field(self, context: KeyValue, queries: QueryPoints) -> FieldValues:
        x = self.proj_query(embed_points(queries).to(self.proj_query.weight.dtype))
        return self.proj_out(self.norm_out(self.blocks[-1](x, context))).squeeze(-1)


class ShapeVae(nn.Module):
    """Encodes a surface to latents and decodes latents to a field over the cube [-1.01, 1.01]^3.

    Latents are in VAE scale throughout: divide what the denoiser gives by the latent scale first.
    """

    def __init__(self, config: ShapeVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        self.quant = nn.Linear(config.encoder_width, 2 * config.latent_channels)
        self.post_quant = nn.Linear(config.latent_channels, config.decoder_width)

    def encode(self, surface: SurfacePoints, query_indices: Int[Tensor, "B N"]) -> Posterior:
        """Latents of a surface (xyz, unit normal); `query_indices` are its farthest points, in the order found."""
        mean, log_variance = self.quant(self.encoder(surface, query_indices)).chunk(2, dim=-1)
        return Posterior(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))

    def field_context(self, latents: Latents) -> KeyValue:
        """The half of the decoder that depends on the latent only; one latent needs it once."""
        return self.decoder.context(self.post_quant(latents.to(self.post_quant.weight.dtype)))

    def field(self, context: KeyValue, queries: QueryPoints) -> FieldValues:
        """Field at each query: positive inside, zero on the surface, useful to about +-6."""
        return self.decoder.field(context, queries)

    def decode(self, latents: Latents, queries: QueryPoints) -> FieldValues:
        """`field` of the latents themselves."""
        return self.field(self.field_context(latents), queries)
