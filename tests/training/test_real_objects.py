"""Real objects that training never saw: floors below what `apg table` measures. Needs the folder of real objects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from apg_core.pipeline.local import load_pipeline
from apg_core.protocol.options import GenerationOptions
from training.cases import real_cases
from training.evaluate import evaluate

REAL = Path(__file__).parents[3] / "shared" / "real_parts"
NAMES = ("furniture_chair_0115", "kaykit_skull_candle", "market_ice_cream", "quat_sign_triangle")
PART_FLOOR, COUNT_AWARE_FLOOR, WHOLE_FLOOR = 0.55, 0.45, 0.95
MASKED_FLOOR = 0.8
QUICK = GenerationOptions(best_of=1)  # what geometry and picture say counts here, more than which sample is taken


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real objects in {REAL}")
def test_fused_real_objects_come_apart() -> None:
    torch.set_num_threads(1)
    cases = [replace(case, fused=True) for case in real_cases(REAL) if case.name in NAMES]
    assert len(cases) == len(NAMES)
    scores = [result.scores for result in evaluate(load_pipeline("tiny", "cpu"), cases, mode="mesh", options=QUICK)]
    found = [score for score in scores if score is not None]
    assert len(found) == len(cases)
    assert np.mean([score.part_iou for score in found]) > PART_FLOOR
    assert np.mean([score.count_aware_iou for score in found]) > COUNT_AWARE_FLOOR
    assert np.mean([score.whole_iou for score in found]) > WHOLE_FLOOR


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real objects in {REAL}")
def test_a_mask_says_which_piece_of_a_real_object_is_whose() -> None:
    torch.set_num_threads(1)
    cases = [replace(case, fused=True) for case in real_cases(REAL) if case.name in NAMES]
    results = list(evaluate(load_pipeline("tiny", "cpu"), cases, mode="image_mesh_mask", options=QUICK))
    found = [result.scores for result in results if result.scores is not None]
    assert len(found) == len(cases) == len(NAMES)
    assert np.mean([score.part_iou for score in found]) > MASKED_FLOOR
