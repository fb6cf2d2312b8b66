"""The shipped weights still mean something: floors well below what `apg eval` measures, on a few fixed objects."""

from typing import get_args

import numpy as np
import pytest
import torch

from apg_core.pipeline.local import Pipeline, load_pipeline
from apg_core.protocol.options import GenerationOptions
from tests.support.objects import ball as solid_ball
from training.cases import Case, part_meshes
from training.evaluate import Shapes, evaluate, reconstruct
from training.objects.batch import assemble
from training.objects.sketch import ball, rod
from training.sizes import TINY_SCHEDULE

RECONSTRUCTION_FLOOR = 0.8
FITTED_FLOOR, SAMPLED_FLOOR = 0.85, 0.7


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    torch.set_num_threads(1)
    return load_pipeline("tiny", "cpu")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    sketches = {
        # Parts that end where the next begins: what two of them share can be one's only where parts tile the mesh.
        "dumbbell": [[rod((-0.55, 0, 0), (0.55, 0, 0), 0.12)], [ball((-0.9, 0, 0), 0.4)], [ball((0.9, 0, 0), 0.4)]],
        "mushroom": [[rod((0, 0, 0), (0, 0.55, 0), 0.25)], [ball((0, 0.9, 0), (0.7, 0.4, 0.7))]],
    }
    return [Case(name, name, part_meshes(assemble([parts], [0.0]), 0)) for name, parts in sketches.items()]


def test_it_is_sampled_the_way_it_was_trained_for(pipeline: Pipeline) -> None:
    assert pipeline.preset.schedule == TINY_SCHEDULE


@pytest.mark.parametrize("what", get_args(Shapes))
def test_the_autoencoder_keeps_shapes(pipeline: Pipeline, cases: list[Case], what: Shapes) -> None:
    for case in cases:
        scores = reconstruct(pipeline, case, what, GenerationOptions(grid_size=64)).scores
        assert scores is not None
        assert scores.part_iou > RECONSTRUCTION_FLOOR


def test_a_part_that_the_autoencoder_loses_counts_as_nothing_found(pipeline: Pipeline) -> None:
    speck = Case("speck", "speck", (solid_ball(0.001, (0.5, 0, 0)),))
    scores = reconstruct(pipeline, speck, "parts", GenerationOptions(grid_size=64)).scores
    assert scores is not None
    assert (scores.parts_true, scores.parts_found, scores.part_iou) == (1, 0, 0)


@pytest.mark.parametrize(("fit", "floor"), [(True, FITTED_FLOOR), (False, SAMPLED_FLOOR)])
def test_mesh_mode_finds_the_parts_of_simple_objects(
    pipeline: Pipeline, cases: list[Case], fit: bool, floor: float
) -> None:
    options = GenerationOptions(grid_size=64, max_parts=5, fit_to_mesh=fit)
    results = evaluate(pipeline, cases, mode="mesh", options=options)
    found = [result.scores for result in results if result.scores is not None]
    assert len(found) == len(cases)
    assert np.mean([scores.part_iou for scores in found]) > floor
