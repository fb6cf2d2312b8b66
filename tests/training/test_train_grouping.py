"""Grouping from drawing objects to weights that the library runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from apg_core.geometry.parts.together import log_odds
from tests.support.objects import ball, block
from training.cut_objects import CutObject, cut_objects
from training.objects.fusing import fused
from training.train_grouping import collate, export_grouping, loss, train_grouping


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[CutObject]:
    return cut_objects(tmp_path_factory.mktemp("objects"), count=12, real=None)


def test_drawn_objects_are_the_same_again_and_their_shares_sum_to_one(objects: list[CutObject], tmp_path: Path) -> None:
    again = cut_objects(tmp_path, count=4, real=None)
    assert len(objects) >= 10
    for one, other in zip(objects, again, strict=False):
        np.testing.assert_array_equal(one.relations.pairs, other.relations.pairs)
        np.testing.assert_allclose(one.shares.sum(axis=1), 1)


def test_a_piece_is_of_the_part_that_it_was_made_of() -> None:
    parts = [block((1.6, 0.2, 0.4), (0, 0.5, 0)), block((0.2, 0.8, 0.2), (0.3, 0, 0)), ball(0.3, (0.3, -0.6, 0))]
    cut = CutObject.of(parts, fused(parts))
    assert cut is not None
    owned = cut.relations.volumes @ cut.shares
    assert owned[:2] == pytest.approx([1.6 * 0.2 * 0.4, 0.2 * 0.8 * 0.2], rel=0.05)
    assert np.diag(cut.same).min() > 0.5


def test_numpy_says_what_torch_says_and_several_networks_are_averaged(objects: list[CutObject], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    nets = [train_grouping(objects, seconds=0.5, seed=seed) for seed in (0, 1)]
    export_grouping(nets, tmp_path / "two.safetensors")
    weights = {name: value.astype(np.float32) for name, value in load_file(tmp_path / "two.safetensors").items()}
    alone, pairs, there, _, _ = collate(objects[:3])
    with torch.no_grad():
        said = torch.stack([net(alone, pairs, there) for net in nets]).mean(0).numpy()
    for row, each in enumerate(objects[:3]):
        count = len(each.relations.volumes)
        np.testing.assert_allclose(log_odds(each.relations, weights), said[row, :count, :count], atol=0.02)


def test_training_lowers_the_loss_on_what_it_has_seen(objects: list[CutObject]) -> None:
    torch.set_num_threads(1)
    batch = collate([each for each in objects if len(each.relations.volumes) > 1])
    before, after = train_grouping(objects, seconds=1e-3), train_grouping(objects, seconds=8)
    with torch.no_grad():
        assert loss(after, batch) < 0.75 * loss(before, batch)
