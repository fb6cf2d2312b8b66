"""What is measured of pieces, against closed forms and the symmetries that it must have."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from manifold3d import Manifold

from apg_core.geometry.parts.relations import HIGH, LOW, MIDDLE, Relations, relations_of


def brick(size: Sequence[float], middle: Sequence[float]) -> Manifold:
    return Manifold.cube(tuple(size), True).translate(tuple(middle))


SLAB, POST = brick((2, 0.2, 1), (0, 0.6, 0)), brick((0.2, 1, 0.4), (0.5, 0, 0.1))
FAR = brick((0.1, 0.12, 0.2), (-0.9, -0.4, 0.3))


def test_contact_and_volume_are_those_of_bricks_at_any_scale_and_place() -> None:
    for scale, shift in ((1.0, 0.0), (3.0, 7.0)):
        pieces = [piece.scale((scale,) * 3).translate((shift, -shift, 2 * shift)) for piece in (SLAB, POST, FAR)]
        found = relations_of(pieces)
        np.testing.assert_allclose(found.volumes, np.array([0.4, 0.08, 0.0024]) * scale**3, rtol=1e-9)
        contact = np.zeros((3, 3))
        contact[0, 1] = contact[1, 0] = 0.2 * 0.4 * scale**2
        np.testing.assert_allclose(found.contact, contact, atol=1e-9 * scale**2)


def test_measures_are_the_same_whatever_the_solids_size_and_place() -> None:
    one = relations_of([SLAB, POST, FAR])
    other = relations_of([piece.scale((5.0,) * 3).translate((1, 2, 3)) for piece in (SLAB, POST, FAR)])
    np.testing.assert_allclose(one.alone, other.alone, atol=1e-6)
    np.testing.assert_allclose(one.pairs, other.pairs, atol=1e-5)


def test_a_brick_has_its_own_edges_and_place() -> None:
    alone = relations_of([SLAB, POST, FAR]).alone
    np.testing.assert_allclose(np.exp(alone[1, 2:5]), [1, 0.4, 0.2], rtol=1e-6)
    middle = np.array([0, 0.1, 0])  # of the box around all three, whose half edge is 1
    np.testing.assert_allclose(alone[1, MIDDLE : MIDDLE + 3], np.array([0.5, 0, 0.1]) - middle, atol=1e-9)
    np.testing.assert_allclose(alone[1, LOW : LOW + 3], np.array([0.4, -0.5, -0.1]) - middle, atol=1e-9)
    np.testing.assert_allclose(alone[1, HIGH : HIGH + 3], np.array([0.6, 0.5, 0.3]) - middle, atol=1e-9)


def test_a_post_under_a_slab_meets_it_in_a_hollow_line_across_all_of_the_post() -> None:
    post_to_slab = relations_of([SLAB, POST]).pairs[1, 0]
    flag, area, planarity, upright = post_to_slab[:4]
    assert (flag, planarity, upright) == pytest.approx((1, 1, 1))
    assert area == pytest.approx(np.log(0.08))
    hollow, straight, ridge, turn = post_to_slab[4:8]
    assert (hollow, straight, ridge, turn) == pytest.approx((1, 0, 0, np.pi / 2))
    own_cross_section, slabs_cross_section = post_to_slab[[12, 16]]
    assert (own_cross_section, slabs_cross_section) == pytest.approx((1, 0.08 / 2))


def test_a_bar_in_two_goes_straight_on() -> None:
    halves = brick((1, 0.2, 0.2), (-0.5, 0, 0)), brick((1, 0.2, 0.2), (0.5, 0, 0))
    hollow, straight, ridge, turn = relations_of(halves).pairs[0, 1, 4:8]
    assert (hollow, straight, ridge, turn) == pytest.approx((0, 1, 0, 0), abs=1e-6)


@pytest.mark.parametrize(
    ("moved", "told"),
    [
        (lambda piece: piece.mirror((1, 0, 0)), lambda r: r.mirrored(0)),
        (lambda piece: piece.mirror((0, 0, 1)), lambda r: r.mirrored(2)),
        (lambda piece: piece.mirror((1, 0, -1)), lambda r: r.turned()),
    ],
    ids=["x mirrored", "z mirrored", "x and z exchanged"],
)
def test_symmetries_of_the_measures_are_those_of_the_solid(
    moved: Callable[[Manifold], Manifold], told: Callable[[Relations], Relations]
) -> None:
    pieces = [SLAB, POST, brick((0.3, 0.2, 0.5), (-0.7, 0.4, 0.2)), FAR]
    measured, expected = relations_of([moved(piece) for piece in pieces]), told(relations_of(pieces))
    np.testing.assert_allclose(measured.alone, expected.alone, atol=1e-6)
    np.testing.assert_allclose(measured.pairs, expected.pairs, atol=1e-5)
