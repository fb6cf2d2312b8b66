"""Plans of edits: what is kept, what is filled, with which options; nothing is done."""

import pytest

from apg_core.errors import EditError
from apg_core.pipeline.earlier import Record
from apg_core.pipeline.edit import plan_edit
from apg_core.pipeline.slots import Slot
from apg_core.protocol.edit import Continue, Edit, Merge, Pick, Remove, Rename, Reorder, Resample, Split
from apg_core.protocol.manifest import FailedRegion, PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions


def facts(index: int, **more: object) -> PartFacts:
    return PartFacts(index=index, attempt=0, seed=4, overlap=0.0, **more)


def record(*parts: PartFacts, regions: tuple[int, ...] | None = None, **more: object) -> Record:
    values: dict[str, object] = {
        "mode": "image" if regions is None else "image_mask",
        "regions": regions,
        "inputs": {},
        "options": GenerationOptions(seed=4, max_parts=5).model_dump(mode="json"),
        "preset": "nano",
        "random_weights": True,
        "weights": {},
        "parts": parts,
        "stop_reason": StopReason.MAX_PARTS,
    }
    return Record.model_validate(values | more)


THREE = record(facts(0, name="seat"), facts(1), facts(3))


def kept(edit: Edit, of: Record = THREE) -> list[int]:
    return [one.index for one in plan_edit(of, edit).kept]


def test_indices_are_names_no_edit_changes_another_parts() -> None:
    assert kept(Remove(parts=(1,))) == [0, 3]
    assert kept(Merge(parts=(3, 0))) == [1, 3]
    assert kept(Reorder(order=(3, 0, 1))) == [3, 0, 1]
    assert kept(Rename(names={1: "back"})) == [0, 1, 3]
    assert kept(Resample(parts=(0,))) == kept(Split(part=0)) == [1, 3]


def test_a_resampled_part_is_one_slot_in_its_place_or_one_a_candidate() -> None:
    assert plan_edit(THREE, Resample(parts=(3, 1))).slots == (Slot(3, 3), Slot(1, 1))
    slots = plan_edit(THREE, Resample(parts=(3,), candidates=2)).slots
    assert slots == (Slot(3, 3, candidate=0), Slot(3, 3, candidate=1))


def test_a_slot_for_a_mask_region_has_the_regions_turn() -> None:
    masked = record(facts(0, label=7), facts(1, label=2), regions=(9, 7, 2))
    assert plan_edit(masked, Resample(parts=(1,))).slots == (Slot(1, 2, label=2),)


def test_going_on_with_a_mask_fills_the_regions_that_have_no_part() -> None:
    failed = (FailedRegion(label=9, attempts=4, reason="empty"),)
    masked = record(facts(0, label=7, further_labels=(5,)), regions=(9, 7, 5, 2), failed_regions=failed)
    assert plan_edit(masked, Continue()).slots == (Slot(1, 0, label=9), Slot(2, 3, label=2))
    done = record(facts(0, label=7), regions=(7,))
    with pytest.raises(EditError, match="every region has its part"):
        plan_edit(done, Continue())


@pytest.mark.parametrize(
    ("stop", "seed"),
    [(StopReason.MAX_PARTS, 4), (None, 4), (StopReason.NO_NEW_PART, 5), (StopReason.END_OF_SEQUENCE, 5)],
)
def test_going_on_takes_another_seed_only_where_the_same_would_end_the_same(stop: StopReason | None, seed: int) -> None:
    assert plan_edit(record(facts(0), stop_reason=stop), Continue()).options.seed == seed


def test_a_part_is_sampled_again_with_the_next_seed_or_the_given_one() -> None:
    assert plan_edit(THREE, Resample(parts=(0,))).options.seed == 5
    assert plan_edit(THREE, Split(part=0)).options.seed == 5
    assert plan_edit(THREE, Resample(parts=(0,), options={"seed": 77})).options.seed == 77
    assert plan_edit(THREE, Remove(parts=(0,))).options.seed == 4


def test_options_that_an_edit_leaves_out_are_the_parents() -> None:
    options = plan_edit(THREE, Resample(parts=(0,), options={"grid_size": 64})).options
    assert (options.grid_size, options.max_parts) == (64, 5)


def test_a_merged_part_stands_for_the_labels_of_all() -> None:
    masked = record(facts(0, label=7), facts(1, label=2, further_labels=(3,)), regions=(7, 2, 3))
    [merged] = plan_edit(masked, Merge(parts=(1, 0))).kept
    assert (merged.index, set(merged.labels)) == (1, {2, 3, 7})


def test_a_picked_candidate_takes_the_name_and_the_colour_of_the_part() -> None:
    red = (255, 0, 0, 255)
    several = record(
        facts(0), facts(1, name="leg", colour=red), candidates=(facts(1, candidate=0), facts(1, candidate=1))
    )
    picked = plan_edit(several, Pick(candidate=1)).kept[1]
    assert (picked.index, picked.candidate, picked.name, picked.colour) == (1, None, "leg", red)


@pytest.mark.parametrize(
    ("edit", "field", "words"),
    [
        (Resample(parts=(2,)), "parts", "there is no part 2; there are 0, 1, 3"),
        (Resample(parts=(0, 1), candidates=2), "candidates", "one part at a time"),
        (Remove(parts=(0, 1, 3)), "parts", "leaves no part"),
        (Merge(parts=(0, 9)), "parts", "there is no part 9"),
        (Split(part=2), "part", "there is no part 2"),
        (Rename(names={2: "x"}), "names", "there is no part 2"),
        (Reorder(order=(0, 1)), "order", "3 is missing"),
        (Reorder(order=(0, 1, 2)), "order", "there is no part 2"),
        (Pick(candidate=0), "candidate", "has none"),
        (Continue(options={"max_parts": 3}), "max_parts", "give a larger one"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_by_field(edit: Edit, field: str, words: str) -> None:
    with pytest.raises(EditError, match=words) as refused:
        plan_edit(THREE, edit)
    assert refused.value.field == field
