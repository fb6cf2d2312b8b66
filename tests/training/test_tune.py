"""The end threshold: between the ends' magnitudes and the parts'."""

import pytest
import torch

from training.tune import Ends


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
