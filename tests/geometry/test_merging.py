"""Several parts made one."""

import numpy as np
import pytest

from apg_core.geometry.measure import measure
from apg_core.geometry.parts.merging import merge
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block


def test_the_union_of_blocks_has_their_volume_once() -> None:
    merged = merge([block((1, 1, 1)), block((1, 1, 1), (0.5, 0, 0))])
    assert merged.notes == ()
    facts = measure(merged.mesh)
    assert facts.watertight
    assert facts.volume == pytest.approx(1.5)
    assert facts.area == pytest.approx(2 * (1.5 + 1.5 + 1))


def test_blocks_that_share_a_face_lose_it() -> None:
    facts = measure(merge([block((1, 1, 1)), block((1, 1, 1), (1, 0, 0))]).mesh)
    assert facts.watertight
    assert (facts.volume, facts.area) == (pytest.approx(2), pytest.approx(10))


def test_parts_that_do_not_touch_are_one_mesh_of_two_pieces() -> None:
    facts = measure(merge([ball(0.4, (-0.5, 0, 0)), ball(0.4, (0.5, 0, 0))]).mesh)
    assert facts.volume == pytest.approx(2 * measure(ball(0.4)).volume, rel=1e-5)


def test_a_part_that_is_not_closed_is_laid_over_the_other_and_a_note_says_so() -> None:
    whole = block((1, 1, 1))
    gaping = TriangleMesh(whole.vertices, whole.faces[1:])
    merged = merge([whole, gaping])
    assert len(merged.mesh.faces) == 23
    assert merged.notes == ("1 of 2 merged parts are not closed: they are laid over each other, not united",)


def test_the_order_of_the_parts_changes_nothing_that_is_enclosed_and_types_stay() -> None:
    parts = [ball(0.5), block((1, 0.2, 0.2)), block((0.2, 1, 0.2))]
    one, other = merge(parts).mesh, merge(parts[::-1]).mesh
    assert measure(one).volume == pytest.approx(measure(other).volume, rel=1e-6)
    assert one.vertices.dtype == np.float32
    assert one.faces.dtype == np.int32
