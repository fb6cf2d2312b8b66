"""The end threshold: between the ends' magnitudes and the parts'."""

import pytest
import torch

from apg_core.models.shape_vae import ShapeVae
from training.pool import Chunk
from training.sizes import CHANNELS, LATENTS, TINY_IMAGE_ENCODER, TINY_VAE
from training.train_dit import PartGenerator
from training.tune import Ends, Tuner


def test_separate_groups_are_told_apart_half_way() -> None:
    magnitude, ended = torch.tensor([1.2, 0.1, 0.9, 0.3]), torch.tensor([False, True, False, True])
    ends = Ends.told_by(magnitude, ended)
    assert ends.threshold == pytest.approx(0.6)
    assert (ends.false_ends, ends.missed) == (0, 0)


def test_both_kinds_of_mistakes_count_as_shares_of_their_own() -> None:
    # One of ten parts lies below the only end but one: giving up that part costs 0.1, missing the end 0.5.
    magnitude = torch.tensor([0.1, 0.5, 0.4, *([2.0] * 9)])
    ended = torch.tensor([True, True, False, *([False] * 9)])
    ends = Ends.told_by(magnitude, ended)
    assert ends.threshold == pytest.approx(1.25)
    assert (ends.false_ends, ends.missed) == (pytest.approx(0.1), 0)


def test_every_kind_of_trial_is_a_share_and_comes_out_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.tune.PROBES", 64)
    torch.manual_seed(0)
    vae, model, objects, side = (
        ShapeVae(TINY_VAE).eval(),
        PartGenerator().eval(),
        3,
        TINY_IMAGE_ENCODER.input_image_size,
    )
    chunk = Chunk(
        parts=torch.randn(objects, 8, LATENTS, CHANNELS),
        beginnings=torch.randn(objects, 8, LATENTS, CHANNELS),
        whole=torch.randn(objects, LATENTS, CHANNELS),
        counts=torch.full((objects,), 8),
        rgb=torch.randint(255, (objects, side, side, 3), dtype=torch.uint8),
        seen=torch.zeros(objects, side, side, dtype=torch.int64),
        framed=torch.ones(objects, dtype=torch.int64),
    )

    def trials() -> list[float]:
        tuner = Tuner(vae, model, chunk, scale=1.0, empty=torch.zeros(1, LATENTS, CHANNELS), objects=objects)
        tuner.visible[:] = True
        several = tuner.best_of((2,), 1.5)
        return [trial.iou for trial in (*several, tuner.masked(2.0, 1.0), tuner.wholes(1.5), tuner.parts(1.5, steps=2))]

    first = trials()
    assert all(0 <= iou <= 1 for iou in first)
    assert first == trials()
