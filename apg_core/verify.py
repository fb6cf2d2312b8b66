"""Checks the networks of this installation against a parity folder: the same weights and inputs, known outputs.

Each case is one line: its name, the largest absolute error, and its tolerance. Everything runs in fp32.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from apg_core.errors import PresetError
from apg_core.models.background import BackgroundNet
from apg_core.parity_cases import SINGLE_PASS, CaseResult, ParityCases

BACKGROUND_CASES = "rmbg_cases.safetensors"


def verify(folder: Path, *, device: torch.device) -> Iterator[CaseResult]:
    """Run every case of a parity folder, or of its sub-folders that have a `config.yaml`.

    Raises:
        PresetError: there are no cases here.
        WeightsMissingError: a case's weights are not beside it.
    """
    folders = [path.parent for path in sorted([*folder.glob("config.yaml"), *folder.glob("*/config.yaml")])]
    found = [path for path in (folder / BACKGROUND_CASES, folder.parent / BACKGROUND_CASES) if path.is_file()]
    if not folders and not found:
        raise PresetError(f"no parity cases in {folder}: expected config.yaml with cases.safetensors, in it or below")
    for path in folders:
        yield from ParityCases(path, device).results()
    for path in found[:1]:
        yield _background_case(path, device)
    if not found:
        yield CaseResult("rmbg", SINGLE_PASS, None)


@torch.inference_mode()
def _background_case(path: Path, device: torch.device) -> CaseResult:
    tensors = load_file(path)
    net = BackgroundNet().eval()
    net.load_state_dict({key: _ruled(key, tensor) for key, tensor in net.state_dict().items()})
    computed = net.to(device)(tensors["rmbg.in.image"].to(device)).cpu()
    return CaseResult("rmbg", SINGLE_PASS, float((computed - tensors["rmbg.out.alpha"]).abs().max()))


def _ruled(key: str, tensor: Tensor) -> Tensor:
    """Weights of the background case: made by a rule from each key, so that no file need hold them."""
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
