"""DINOv2 with registers (Oquab et al. 2023, Darcet et al. 2023), under transformers' names of today.

A vision transformer with pre-norm blocks and layer scale. Importing transformers' takes longer than a small object;
this one gives the same tokens to the bit, and a seed the same weights.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from apg_core.models.configs import ImageEncoderConfig
from apg_core.shapes import ImageTokens

EPS = 1e-6
INITIAL_STD = 0.02

Pixels = Float[Tensor, "B 3 H W"]


class Dinov2(nn.Module):
    """Pixels, normalised as ImageNet's, to tokens before the last norm: [class, registers, patches]."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)
        self.layernorm = nn.LayerNorm(config.width, eps=EPS)
        # On the meta device weights are to follow, and drawing random ones there imports half of torch.
        if not self.layernorm.weight.is_meta:
            self._initialise()

    def forward(self, pixels: Pixels) -> ImageTokens:
        """Tokens after the last block; height and width are multiples of the patch size."""
        tokens: Tensor = self.embeddings(pixels)
        for block in self.encoder.layer:
            tokens = block(tokens)
        return tokens

    def _initialise(self) -> None:
        """As transformers does, in its order: a seed gives the same weights."""
        for module in (*self.encoder.modules(), *self.embeddings.modules()):
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(module.weight)  # thrown away
                nn.init.trunc_normal_(module.weight, std=INITIAL_STD)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.embeddings.position_embeddings, std=INITIAL_STD)
        nn.init.trunc_normal_(self.embeddings.cls_token, std=INITIAL_STD)


class _Encoder(nn.Module):
    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Block(config) for _ in range(config.num_layers))


class _Embeddings(nn.Module):
    """Patches with their positions, after the class token and the registers, which have none of their own."""

    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        width, self.patch_size = config.width, config.patch_size
        self.grid = config.position_image_size // config.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # for training alone; every checkpoint has it
        self.patch_embeddings = _Patches(config)
        positions = torch.empty(1, self.grid**2 + 1, width)
        self.position_embeddings = nn.Parameter(positions if positions.is_meta else positions.normal_())
        self.register_tokens = nn.Parameter(torch.zeros(1, config.num_register_tokens, width))

    def forward(self, pixels: Pixels) -> ImageTokens:
        count, _, height, width = pixels.shape
        patches = self.patch_embeddings.projection(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(count, -1, -1), patches], dim=1)
        tokens = tokens + self._positions(height // self.patch_size, width // self.patch_size)
        registers = self.register_tokens.expand(count, -1, -1)
        return torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)

    def _positions(self, rows: int, columns: int) -> Float[Tensor, "1 N D"]:
        """Those of the weights, resampled where the picture has another grid of patches."""
        known = self.position_embeddings
        if rows == columns == self.grid:
            return known
        grid = known[:, 1:].unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
        grid = F.interpolate(grid.float(), size=(rows, columns), mode="bicubic", align_corners=False, antialias=True)
        return torch.cat([known[:, :1], grid.to(known.dtype).flatten(2).transpose(1, 2)], dim=1)


class _Patches(nn.Module):
    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        size = config.patch_size
        self.projection = nn.Conv2d(3, config.width, kernel_size=size, stride=size)


class _Block(nn.Module):
    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, eps=EPS)
        self.attention = _Attention(config)
        self.layer_scale1 = _LayerScale(config.width)
        self.norm2 = nn.LayerNorm(config.width, eps=EPS)
        self.mlp = _Mlp(config)
        self.layer_scale2 = _LayerScale(config.width)

    def forward(self, tokens: ImageTokens) -> ImageTokens:
        tokens = self.layer_scale1(self.attention(self.norm1(tokens))) + tokens
        result: Tensor = self.layer_scale2(self.mlp(self.norm2(tokens))) + tokens
        return result


class _Attention(nn.Module):
    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(config.width, config.width)
        self.k_proj = nn.Linear(config.width, config.width)
        self.v_proj = nn.Linear(config.width, config.width)
        self.o_proj = nn.Linear(config.width, config.width)

    def forward(self, tokens: ImageTokens) -> ImageTokens:
        query, key, value = (
            projection(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.o_proj(attended.transpose(1, 2).flatten(2))
        return result


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, tokens: ImageTokens) -> ImageTokens:
        return tokens * self.lambda1


class _Mlp(nn.Module):
    def __init__(self, config: ImageEncoderConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.width, int(config.width * config.mlp_ratio))
        self.fc2 = nn.Linear(int(config.width * config.mlp_ratio), config.width)

    def forward(self, tokens: ImageTokens) -> ImageTokens:
        result: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return result
