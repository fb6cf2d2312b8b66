"""Norms of half-precision values add up in fp32."""

import pytest
import torch
import torch.nn.functional as F

from apg_core.models.attention import HeadNorm

SHAPE = (3, 500, 160)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", [torch.nn.LayerNorm(160), HeadNorm(160)], ids=["layer", "head"])
def test_a_norm_of_half_precision_is_the_one_of_fp32_to_a_unit_in_the_last_place(
    norm: torch.nn.Module, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    for weights in norm.parameters():
        torch.nn.init.normal_(weights)
    half, x = norm.to(dtype), torch.randn(SHAPE).to(dtype)
    weight, bias = half.weight.float(), half.bias.float() if isinstance(norm, torch.nn.LayerNorm) else None
    exact = (
        F.rms_norm(x.float(), (160,), weight, 1e-6) if bias is None else F.layer_norm(x.float(), (160,), weight, bias)
    )
    found, rounded = half(x), exact.to(dtype)
    unit = torch.finfo(dtype).eps * exact.abs().clamp(min=torch.finfo(dtype).tiny)
    assert ((found.float() - rounded.float()).abs() <= unit).all()
    assert (found != rounded).float().mean() < 1e-3
