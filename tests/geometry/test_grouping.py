"""Pieces put together to parts: by given probabilities, and by the networks that come with the library."""

import numpy as np
import pytest
from manifold3d import Manifold, OpType

from apg_core.geometry.parts.claims import Claims
from apg_core.geometry.parts.grouping import (
    ACROSS,
    APART,
    Bound,
    groups_of,
    separate_parts,
    share_out,
    without_crumbs,
)
from apg_core.geometry.parts.pieces import convex_pieces
from apg_core.geometry.parts.relations import relations_of
from apg_core.geometry.parts.solids import solid_of
from apg_core.geometry.parts.together import log_odds, shipped_weights
from tests.support.objects import block, table, union

CHAIN = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)
"""Four pieces in a row, each touches the next."""
ALIKE = np.ones(4)


def likely(**pairs: float) -> np.ndarray:
    """Probabilities of pairs named like p01; those not named are not together."""
    together = np.zeros((4, 4))
    for name, value in pairs.items():
        i, j = map(int, name[1:])
        together[i, j] = together[j, i] = value
    return together


def test_what_is_likely_one_part_is_one_group_and_the_rest_stays_apart() -> None:
    group = groups_of(likely(p01=0.9, p23=0.9), CHAIN, ALIKE, most=9, bound=Bound())
    assert group.tolist() == [0, 0, 1, 1]


def test_what_does_not_touch_joins_through_others_or_where_it_is_very_likely() -> None:
    apart = groups_of(likely(p02=ACROSS - 0.01), CHAIN, ALIKE, most=9, bound=Bound())
    assert len(set(apart.tolist())) == 4
    across = groups_of(likely(p02=ACROSS), CHAIN, ALIKE, most=9, bound=Bound())
    assert across.tolist() == [0, 1, 0, 2]
    joined = groups_of(likely(p01=0.9, p12=0.9, p02=0.9), CHAIN, ALIKE, most=9, bound=Bound())
    assert joined.tolist() == [0, 0, 0, 1]


def test_a_group_counts_by_the_volume_of_its_pieces() -> None:
    together = likely(p01=0.95, p02=0.1, p12=0.9)
    assert groups_of(together, CHAIN, np.array([9.0, 1, 1, 1]), most=9, bound=Bound()).tolist() == [0, 0, 1, 2]
    assert groups_of(together, CHAIN, np.array([1.0, 9, 1, 1]), most=9, bound=Bound()).tolist() == [0, 0, 0, 1]


def test_past_the_expected_number_less_is_enough_to_be_one_group() -> None:
    together = likely(p01=APART - 0.05, p12=APART / 2 - 0.05, p23=APART - 0.1)

    def group(expected: int, surplus: float) -> list[int]:
        return groups_of(together, CHAIN, ALIKE, most=9, bound=Bound(expected=expected, surplus=surplus)).tolist()

    assert group(1, 1.0) == group(4, 0.0) == [0, 1, 2, 3]
    assert group(3, 0.5) == [0, 0, 1, 2]
    assert group(2, 0.5) == group(1, 0.5) == [0, 0, 1, 1]
    assert group(1, 0.05) == [0, 0, 0, 0]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_groups_than_allowed_even_of_pieces_that_touch_nothing(most: int) -> None:
    together = likely(p01=0.4, p12=0.3, p23=0.2)
    for contact in (CHAIN, np.zeros((4, 4))):
        assert len(set(groups_of(together, contact, ALIKE, most=most, bound=Bound()).tolist())) == most


def test_a_crumb_is_part_of_what_it_touches_most_and_one_that_touches_nothing_stays() -> None:
    contact = np.array([[0, 2, 1, 0], [2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], float)
    apart, sizes = np.arange(4), np.array([1e-5, 1, 1, 1e-5])
    assert without_crumbs(apart, contact, sizes).tolist() == [0, 0, 1, 2]
    assert without_crumbs(apart, contact, np.array([1e-3, 1, 1, 1])).tolist() == [0, 1, 2, 3]


def table_pieces() -> list[Manifold]:
    solids = [solid_of(mesh) for mesh in table()]
    assert None not in solids
    return convex_pieces(Manifold.batch_boolean([solid for solid in solids if solid is not None], OpType.Add))


def claims(inside: np.ndarray) -> Claims:
    """These shares of each piece lie in the parts, and the rest is nobody's."""
    nobody = 1 - inside.sum(axis=1, keepdims=True)
    return Claims(inside, np.concatenate([inside, nobody], axis=1))


def test_the_shipped_networks_say_the_same_of_mirrored_pairs_and_are_finite() -> None:
    odds = log_odds(relations_of(table_pieces()))
    assert np.isfinite(odds).all()
    np.testing.assert_allclose(odds, odds.T, atol=1e-4)
    assert sum(value.size for value in shipped_weights().values()) < 1_000_000


def test_a_fused_table_comes_apart_into_its_top_and_legs() -> None:
    pieces = table_pieces()
    owner = share_out(pieces, claims(np.zeros((len(pieces), 1))), agreement=0.0, further=8)
    volumes = np.array([piece.volume() for piece in pieces])
    found = sorted(volumes[owner == part].sum() for part in np.unique(owner))
    assert found == pytest.approx([0.1 * 0.1 * 0.8] * 4 + [2 * 0.1 * 1.2], rel=0.1)


def test_a_sampled_part_names_the_group_it_has_most_of_and_the_others_follow_by_size() -> None:
    pieces = table_pieces()
    free = share_out(pieces, claims(np.zeros((len(pieces), 2))), agreement=0.0, further=8)
    assert 0 not in free
    assert sorted(set(free.tolist())) == list(range(2, 2 + len(set(free.tolist()))))
    volumes = np.array([piece.volume() for piece in pieces])
    sizes = [volumes[free == part].sum() for part in sorted(set(free.tolist()))]
    assert (np.diff(sizes) < 1e-9).all()
    inside = np.stack([free == 3, np.zeros(len(pieces))], axis=1).astype(float)
    named = share_out(pieces, claims(inside), agreement=0.0, further=8)
    np.testing.assert_array_equal(named == 0, free == 3)
    assert 1 not in named


@pytest.mark.parametrize("first", [1, 2, 3])
def test_sampled_parts_that_agree_with_the_whole_are_heard_and_others_are_not(first: int) -> None:
    row = [Manifold.cube((1, 1, 1), True).translate((x, 0, 0)).scale((0.25,) * 3) for x in range(4)]
    split = (np.arange(4) < first).astype(float)
    halves = claims(np.stack([split, 1 - split], axis=1))
    unheard = share_out(row, halves, agreement=0.0, further=8)
    assert len(set(unheard.tolist())) == len(
        set(share_out(row, claims(np.zeros((4, 2))), agreement=0, further=8).tolist())
    )
    heard = share_out(row, halves, agreement=1.0, further=8)
    np.testing.assert_array_equal(heard, 1 - split)


def test_what_networks_set_apart_and_no_sampled_part_lies_in_is_separate() -> None:
    pieces = table_pieces()
    leg = next(i for i, piece in enumerate(pieces) if piece.bounding_box()[1] < -0.2)
    covered = np.full((len(pieces), 2), 0.5)
    assert separate_parts(pieces, claims(covered)) == []
    covered[leg] = 0
    (part,) = separate_parts(pieces, claims(covered))
    assert part.unclaimed
    assert part.pieces.tolist() == [leg]


@pytest.mark.parametrize(("thick", "legs"), [(0.1, 0), (0.4, 4)])
def test_what_one_sampled_part_has_is_split_where_large_groups_are_apart(thick: float, legs: int) -> None:
    feet = [block((thick, 0.8, thick), (x, 0.05, z)) for x in (-0.7, 0.7) for z in (-0.3, 0.3)]
    solid = solid_of(union(block((2, 0.2, 1.2), (0, 0.5, 0)), *feet))
    assert solid is not None
    pieces = convex_pieces(solid)
    found = separate_parts(pieces, claims(np.ones((len(pieces), 1))))
    assert not any(part.unclaimed for part in found)
    sizes = [sum(pieces[i].volume() for i in part.pieces) for part in found]
    assert sizes == pytest.approx([0.4 * 0.4 * 0.8] * legs, rel=0.1)


def test_further_parts_are_as_few_as_asked() -> None:
    pieces = table_pieces()
    owner = share_out(pieces, claims(np.zeros((len(pieces), 3))), agreement=0.0, further=2)
    assert set(owner.tolist()) <= {3, 4}
