"""The one attention class and the one transformer block that every network here is built of.

Where they stand in the networks: docs/how-it-works.md, "Generation step by step".
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Tokens = Float[Tensor, "B N D"]
KeyValue = tuple[Tensor, Tensor]  # each (B, heads, context tokens, head width)


class LayerNorm(nn.LayerNorm):
    """Layer norm; torch adds up in fp32 whatever the dtype. Under autocast, whose weights are fp32, it is all fp32."""

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype:
            return super().forward(x)
        return super().forward(x.float()).to(x.dtype)


class HeadNorm(nn.Module):
    """RMS norm over the channels of one head, with the arithmetic of `LayerNorm`."""

    def __init__(self, head_width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(head_width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps).to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention, self or cross, whose checkpoint splits heads before q, k and v.

    The published weights hold `to_q`, `to_k` and `to_v`, and were trained so that the rows of the stacked matrix
    belong to (head, q/k/v, channel) in this order. Stacked once, they are one projection whose output is viewed as
    heads directly: `to_qkv` for self-attention, `to_q` and `to_kv` for cross-attention. State dicts have the
    published names in both directions.
    """

    to_q: nn.Linear
    to_kv: nn.Linear
    to_qkv: nn.Linear
    norm_q: HeadNorm
    norm_k: HeadNorm
    norm_cross: LayerNorm

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context_width: int | None = None,
        head_norm: bool = False,
        norm_context: bool = False,
    ) -> None:
        super().__init__()
        self.heads = heads
        self._stacked, names = (
            ("to_qkv", ("to_q", "to_k", "to_v")) if context_width is None else ("to_kv", ("to_k", "to_v"))
        )
        self._published = names
        if context_width is not None:
            self.to_q = nn.Linear(width, width, bias=False)
        if norm_context and context_width is not None:
            self.norm_cross = LayerNorm(context_width)
        stacked = nn.Linear(context_width or width, len(names) * width, bias=False)
        setattr(self, self._stacked, stacked)
        if head_norm:
            self.norm_q = HeadNorm(width // heads)
            self.norm_k = HeadNorm(width // heads)
        self.to_out = nn.Sequential(nn.Linear(width, width))
        self.register_state_dict_post_hook(_unstack)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_stack)  # type: ignore[no-untyped-call]

    def _heads(self, projected: Tensor, parts: int) -> Sequence[Tensor]:
        batch, tokens, channels = projected.shape
        split = projected.view(batch, tokens, self.heads, parts, channels // (self.heads * parts))
        return split.permute(3, 0, 2, 1, 4).unbind(0)

    def keys_values(self, context: Float[Tensor, "B M K"]) -> KeyValue:
        """Keys and values of a context; they depend on nothing else, so a fixed context needs them once."""
        if hasattr(self, "norm_cross"):
            context = self.norm_cross(context)
        key, value = self._heads(self.to_kv(context), 2)
        return (self.norm_k(key) if hasattr(self, "norm_k") else key), value

    def forward(self, x: Tokens, context: KeyValue | None = None) -> Tokens:
        """Attend to `context`, or to `x` itself where none is given."""
        if context is None:
            query, key, value = self._heads(self.to_qkv(x), 3)
            if hasattr(self, "norm_k"):
                key = self.norm_k(key)
        else:
            (query,) = self._heads(self.to_q(x), 1)
            key, value = context
        if hasattr(self, "norm_q"):
            query = self.norm_q(query)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.to_out(mixed.transpose(1, 2).flatten(2))


def _unstack(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: Mapping[str, Any]) -> None:
    assert isinstance(module, Attention)
    names = module._published
    rows = state.pop(f"{prefix}{module._stacked}.weight").chunk(len(names))
    state.update({f"{prefix}{name}.weight": part for name, part in zip(names, rows, strict=True)})


def _stack(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    assert isinstance(module, Attention)
    keys = [f"{prefix}{name}.weight" for name in module._published]
    if all(key in state for key in keys):
        state[f"{prefix}{module._stacked}.weight"] = torch.cat([state.pop(key) for key in keys])


class FeedForward(nn.Module):
    """Linear to four times the width, exact GELU, linear back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widen = nn.ModuleDict({"proj": nn.Linear(width, 4 * width)})
        self.net = nn.ModuleList([widen, nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tokens) -> Tokens:
        widen, _, narrow = self.net
        assert isinstance(widen, nn.ModuleDict)
        return narrow(F.gelu(widen["proj"](x)))


def as_blocks(layers: nn.ModuleList) -> Sequence["Block"]:
    """The list of blocks that a module list is, for those who want to know their type."""
    return cast(Sequence[Block], layers)


class Block(nn.Module):
    """A pre-norm residual block: self-attention, then one cross-attention a context, then feed-forward.

    `context_widths` are those of attn2, attn3, ...; `ff_norm` is the name that the feed-forward's norm has in the
    checkpoint. With `skip`, an earlier block's output is merged in first (linear, then norm).
    """

    attn2: Attention
    attn3: Attention

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        self_attention: bool = True,
        context_widths: Sequence[int] = (),
        head_norm: bool = False,
        norm_context: bool = False,
        ff_norm: str = "norm3",
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.has_self_attention = self_attention
        self._ff_norm = ff_norm
        if self_attention:
            self.norm1 = LayerNorm(width)
            self.attn1 = Attention(width, heads, head_norm=head_norm)
        self._crosses = [f"{index}" for index, _ in enumerate(context_widths, start=2)]
        for index, context_width in zip(self._crosses, context_widths, strict=True):
            cross = Attention(width, heads, context_width=context_width, head_norm=head_norm, norm_context=norm_context)
            setattr(self, f"norm{index}", LayerNorm(width))
            setattr(self, f"attn{index}", cross)
        setattr(self, ff_norm, LayerNorm(width))
        self.ff = FeedForward(width)
        if skip:
            self.skip_linear = nn.Linear(2 * width, width)
            self.skip_norm = LayerNorm(width)

    def forward(self, x: Tokens, *contexts: KeyValue, skip: Tokens | None = None) -> Tokens:
        if skip is not None:
            x = self.skip_norm(self.skip_linear(torch.cat([skip, x], dim=-1)))
        if self.has_self_attention:
            x = x + self.attn1(self.norm1(x))
        for index, context in zip(self._crosses, contexts, strict=True):
            norm, attention = getattr(self, f"norm{index}"), getattr(self, f"attn{index}")
            x = x + attention(norm(x), context)
        return x + self.ff(getattr(self, self._ff_norm)(x))
