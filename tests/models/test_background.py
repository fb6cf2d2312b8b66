"""IS-Net against the published key list and an independent run's numbers."""

import json
import math
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from apg_core.models.background import BackgroundNet

PARITY = Path(__file__).parents[1] / "data" / "parity"


def rule_made(key: str, like: Tensor) -> Tensor:
    """The weights that tests/data/parity/README.md gives for a key."""
    noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(zlib.crc32(key.encode())))
    if like.ndim == 4:
        return noise * math.sqrt(2 / like[0].numel())
    if key.endswith("running_var"):
        return 1 + 0.1 * noise.abs()
    return 1 + 0.1 * noise if ".bn" in key and key.endswith(".weight") else 0.1 * noise


@pytest.fixture(scope="module")
def net() -> BackgroundNet:
    net = BackgroundNet().eval()
    state = net.state_dict()
    made = {key: rule_made(key, value) for key, value in state.items() if value.is_floating_point()}
    net.load_state_dict(state | made)
    return net


def test_keys_and_shapes_are_those_of_the_published_checkpoint() -> None:
    with torch.device("meta"):
        state = BackgroundNet().state_dict()
    published = json.loads((PARITY / "rmbg_keys.json").read_text())
    assert {key: list(value.shape) for key, value in state.items()} == published


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_map_equals_the_independent_run(net: BackgroundNet, layout: torch.memory_format) -> None:
    case = load_file(PARITY / "rmbg_cases.safetensors")
    with torch.inference_mode():
        found = net(case["rmbg.in.image"].contiguous(memory_format=layout))
    assert (found - case["rmbg.out.alpha"]).abs().max() < 1e-5


def test_odd_sizes_keep_their_size(net: BackgroundNet) -> None:
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 131, 65)).shape == (1, 1, 131, 65)
