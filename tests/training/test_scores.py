"""Scores against closed forms."""

import math

import numpy as np
import pytest
import trimesh

from apg_core.protocol.mesh import TriangleMesh
from training.scores import matched_ious, occupancy, score, volume_iou


def _ball(radius: float, x: float = 0.0) -> TriangleMesh:
    solid = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return TriangleMesh(solid.vertices + np.array([x, 0, 0]), solid.faces)


def test_occupancy_of_a_ball_has_its_volume() -> None:
    filled = np.count_nonzero(occupancy(_ball(0.6))) * (2 / 64) ** 3
    assert filled == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=0.01)


def test_occupancy_of_a_box_is_exact_when_faces_lie_between_centres() -> None:
    solid = trimesh.creation.box(extents=(1.0, 0.5, 0.25))
    assert np.count_nonzero(occupancy(TriangleMesh(solid.vertices, solid.faces))) == 32 * 16 * 8


def test_iou_of_nested_balls_is_their_volume_ratio() -> None:
    assert volume_iou(occupancy(_ball(0.4)), occupancy(_ball(0.8))) == pytest.approx(1 / 8, abs=0.005)


def test_matching_ignores_the_order_and_leaves_missing_parts_at_zero() -> None:
    cells = [occupancy(_ball(0.3, x)) for x in (-0.6, 0.0, 0.6)]
    assert matched_ious(cells, [cells[2], cells[0]]).tolist() == [1.0, 0.0, 1.0]


def test_a_result_equal_to_the_truth_scores_full() -> None:
    truth = [_ball(0.3, -0.5), _ball(0.3, 0.5)]
    scores = score(truth, truth[::-1])
    assert scores.part_iou == scores.whole_iou == scores.watertight == 1.0
    assert scores.fscore_005 == pytest.approx(1.0, abs=0.02)
    assert scores.overlap == 0.0
    assert scores.count_error == 0


def test_chamfer_of_two_concentric_balls_is_their_gap() -> None:
    assert score([_ball(0.5)], [_ball(0.6)]).chamfer == pytest.approx(0.1, abs=0.01)


def test_nothing_found_scores_nothing() -> None:
    scores = score([_ball(0.5)], [])
    assert (scores.part_iou, scores.whole_iou, scores.parts_found, scores.count_error) == (0.0, 0.0, 0, 1)


def test_a_surplus_part_costs_count_aware_iou_and_panoptic_quality_but_not_matched_iou() -> None:
    truth = [_ball(0.3, -0.5), _ball(0.3, 0.5)]
    scores = score(truth, [*truth, _ball(0.05)])
    assert scores.part_iou == 1.0
    assert scores.count_aware_iou == pytest.approx(2 / 3)
    assert scores.panoptic == pytest.approx(2 / 2.5)


def test_a_match_below_one_half_is_none_in_panoptic_quality() -> None:
    scores = score([_ball(0.8)], [_ball(0.4)])
    assert scores.panoptic == 0.0
    assert scores.count_aware_iou == pytest.approx(1 / 8, abs=0.005)


def test_a_thin_board_fills_no_more_than_itself() -> None:
    solid = trimesh.creation.box(extents=(1.5, 1.5, 0.001))
    assert np.count_nonzero(occupancy(TriangleMesh(solid.vertices, solid.faces))) == 0
