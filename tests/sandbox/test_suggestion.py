"""Suggested masks: closed forms, the hierarchy's promises, and what comes out as a file."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from apg_core.errors import ImageError, OptionError
from apg_core.geometry.picture.regions import hierarchy_of
from apg_core.inputs import read_mask
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.mask import MaskOptions
from apg_core.sandbox.mask_png import labels_of, mask_png
from apg_core.sandbox.suggestion import suggest_mask

PLACES = [(60, 70), (200, 90), (130, 250), (60, 330), (230, 330)]
COLOURS = [(200, 30, 30), (30, 160, 40), (40, 60, 200), (20, 20, 20), (230, 180, 20)]


def discs(count: int) -> tuple[Image, Labels]:
    """Flat discs on white, and which pixel is whose."""
    picture, whose = np.full((300, 400, 3), 255, np.uint8), np.zeros((300, 400), np.int32)
    down, right = np.mgrid[:300, :400]
    for number, ((y, x), colour) in enumerate(zip(PLACES[:count], COLOURS, strict=False), start=1):
        inside = (down - y) ** 2 + (right - x) ** 2 < 40**2
        picture[inside], whose[inside] = colour, number
    return picture, whose


def noisy() -> Image:
    """A picture with many superpixels."""
    blocks = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    picture = np.kron(blocks, np.ones((10, 10, 1), np.uint8))
    return (picture // 2 + np.random.default_rng(2).integers(0, 30, picture.shape, np.uint8)).astype(np.uint8)


def same_partition(one: Labels, other: Labels) -> bool:
    """Whether two label images differ by names only."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(pairs[0]) == len(np.unique(one)) == len(np.unique(other))


@pytest.mark.parametrize("count", range(1, 6))
def test_flat_discs_are_the_regions_and_as_many_stand_out(count: int) -> None:
    picture, whose = discs(count)
    suggestion = suggest_mask(picture)
    assert suggestion.regions == count
    labels = labels_of(suggestion)
    assert same_partition(labels, whose)
    assert ((labels == 0) == (whose == 0)).all()


def test_one_region_more_divides_exactly_one() -> None:
    hierarchy = hierarchy_of(noisy(), np.ones((120, 160), bool))
    most = len(hierarchy.parents) - 1
    assert most > 50
    fewer = hierarchy.at(1)
    for regions in range(2, most + 1):
        more = hierarchy.at(regions)
        changed = more != fewer
        assert set(np.unique(more)) == set(range(1, regions + 1))
        assert set(more[changed]) == {regions}
        assert set(fewer[changed]) == {hierarchy.parents[regions]}
        fewer = more
    assert np.array_equal(fewer, hierarchy.labels)


def test_parents_are_smaller_and_costs_never_rise() -> None:
    hierarchy = hierarchy_of(noisy(), np.ones((120, 160), bool))
    assert (hierarchy.parents[2:] < np.arange(2, len(hierarchy.parents))).all()
    assert (hierarchy.parents[2:] > 0).all()
    assert (np.diff(hierarchy.costs[2:]) <= 0).all()


def test_the_same_picture_gives_the_same_suggestion() -> None:
    assert suggest_mask(noisy()) == suggest_mask(noisy())


def test_what_is_transparent_is_no_region() -> None:
    picture, whose = discs(3)
    clear = np.dstack([picture, np.where(whose, 255, 0).astype(np.uint8)])
    assert ((labels_of(suggest_mask(clear)) == 0) == (whose == 0)).all()
    with pytest.raises(ImageError, match="nothing but background"):
        suggest_mask(np.dstack([picture, np.zeros(whose.shape, np.uint8)]), MaskOptions(remove_background=False))


def test_with_the_background_left_on_it_is_a_region_too() -> None:
    picture, whose = discs(2)
    suggestion = suggest_mask(picture, MaskOptions(remove_background=False))
    assert same_partition(labels_of(suggestion, 3), whose)


def test_the_png_is_a_mask_that_reads_back_as_it_was() -> None:
    labels = labels_of(suggest_mask(discs(4)[0]))
    png = mask_png(labels, (400, 300))
    assert Pillow.open(io.BytesIO(png)).mode == "P"
    np.testing.assert_array_equal(read_mask(png), labels)


def test_a_large_picture_is_looked_at_in_a_smaller_size() -> None:
    picture = np.kron(discs(2)[0], np.ones((6, 6, 1), np.uint8))
    suggestion = suggest_mask(picture)
    assert (suggestion.width, suggestion.height) == (768, 576)


def test_more_regions_than_there_are_are_refused() -> None:
    with pytest.raises(OptionError, match="4 regions at most, got 5"):
        suggest_mask(discs(4)[0], MaskOptions(regions=5))
    with pytest.raises(OptionError, match="regions"):
        MaskOptions(regions=0)
