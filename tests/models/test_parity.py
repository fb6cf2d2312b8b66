"""The networks equal the published ones: every case of the parity folder, and the state dicts at release size."""

import json
from pathlib import Path

import pytest
import torch

from apg_core.models.background import BackgroundNet
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.parity.case import CaseResult
from apg_core.parity.verify import verify
from apg_core.presets import load_preset

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    return list(verify(PARITY, device=torch.device("cpu")))


def test_every_parity_case_is_there_and_within_its_tolerance(results: list[CaseResult]) -> None:
    assert len(results) == 35
    assert [str(result) for result in results if result.error is None or not result.passed] == []


def test_a_case_that_is_off_fails_and_a_missing_one_does_not() -> None:
    assert not CaseResult("a", 1e-5, 2e-5).passed
    assert not CaseResult("a", 1e-5, float("nan")).passed
    assert CaseResult("a", 1e-5, None).passed


@pytest.mark.parametrize("preset", ["autopartgen-2048", "autopartgen-4096"])
def test_state_dicts_at_release_size_are_the_published_ones(preset: str) -> None:
    expected = json.loads((PARITY / "full_keys.json").read_text())
    sizes = load_preset(preset)
    with torch.device("meta"):
        networks = {"dit": PartDit(sizes.dit), "vae": ShapeVae(sizes.vae)}
    for name, network in networks.items():
        assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == expected[name]


def test_background_state_dict_is_the_published_one() -> None:
    expected = json.loads((PARITY / "rmbg_keys.json").read_text())
    with torch.device("meta"):
        network = BackgroundNet()
    assert {key: list(tensor.shape) for key, tensor in network.state_dict().items()} == expected
