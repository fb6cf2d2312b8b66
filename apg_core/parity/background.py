"""The case of the background remover, whose weights no file holds: each is made by a rule from its key."""

import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from apg_core.models.background import BackgroundNet
from apg_core.parity.case import SINGLE_PASS, CaseResult, tolerance_on

BACKGROUND_CASES = "rmbg_cases.safetensors"
NAME = "rmbg.alpha"


@torch.inference_mode()
def background_result(path: Path | None, device: torch.device) -> CaseResult:
    """The case of this file; skipped where there is none."""
    if path is None:
        return CaseResult(NAME, SINGLE_PASS, None)
    tensors = load_file(path)
    net = BackgroundNet().eval()
    net.load_state_dict({key: _ruled(key, tensor) for key, tensor in net.state_dict().items()})
    computed = net.to(device)(tensors["rmbg.in.image"].to(device)).cpu()
    return CaseResult(
        NAME, tolerance_on(device, SINGLE_PASS), float((computed - tensors["rmbg.out.alpha"]).abs().max())
    )


def _ruled(key: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    drawn = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
    if tensor.ndim == 4:
        return drawn * (2 / tensor[0].numel()) ** 0.5
    if key.endswith("running_var"):
        return 1 + 0.1 * drawn.abs()
    if ".bn" in key and key.endswith("weight"):
        return 1 + 0.1 * drawn
    return 0.1 * drawn
