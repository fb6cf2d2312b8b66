"""Sessions that fill given places."""

from apg_core.pipeline.session import Outcome
from apg_core.pipeline.slots import Slot, SlotSession
from apg_core.protocol.manifest import PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions

OPTIONS = GenerationOptions(seed=10, duplicate_retries=1, retry_seed_stride=100, part_seed_stride=1)


def session(*slots: Slot, accepted: tuple[PartFacts, ...] = ()) -> SlotSession:
    return SlotSession(OPTIONS, slots, accepted=accepted, end_threshold=0.1)


def drive(session: SlotSession, *outcomes: Outcome) -> list[tuple[int, int]]:
    """Index and seed of each attempt."""
    tried = []
    for outcome in outcomes:
        attempt = session.next_attempt()
        assert attempt is not None
        tried.append((attempt.index, attempt.seed))
        session.record(outcome)
    return tried


def test_each_slot_is_filled_in_its_turn() -> None:
    slots = session(Slot(5, 5), Slot(2, 2))
    assert drive(slots, Outcome.EMPTY, Outcome.ACCEPTED, Outcome.ACCEPTED) == [(5, 15), (5, 115), (2, 12)]
    assert (slots.next_attempt(), slots.stop_reason) == (None, StopReason.EDITED)


def test_an_end_of_the_object_is_a_failed_attempt_and_a_slot_that_none_fills_is_left() -> None:
    slots = session(Slot(0, 0), Slot(1, 1))
    drive(slots, Outcome.END_OF_OBJECT, Outcome.DUPLICATE, Outcome.ACCEPTED)
    assert (slots.next_attempt(), slots.stop_reason) == (None, StopReason.NO_NEW_PART)
    assert slots.failed_regions == ()


def test_a_region_that_no_attempt_fills_is_told() -> None:
    slots = session(Slot(0, 3, label=7))
    slots.next_attempt()
    assert slots.record(Outcome.EMPTY) is None
    slots.next_attempt()
    failed = slots.record(Outcome.EMPTY)
    assert failed is not None
    assert (failed.label, failed.attempts, failed.reason) == (7, 2, "empty")
    assert slots.failed_regions == (failed,)


def test_a_region_never_ends_and_is_no_duplicate_another_slot_may() -> None:
    region, free = session(Slot(0, 0, label=1)), session(Slot(0, 0))
    assert (region.end_below, region.is_end(0.0), region.is_duplicate(1.0)) == (None, False, False)
    assert (free.end_below, free.is_end(0.05), free.is_end(0.2), free.is_duplicate(1.0)) == (0.1, True, False, True)


def test_candidates_have_seeds_of_their_own_the_first_the_parts() -> None:
    several = session(*(Slot(4, 4, candidate=number) for number in range(3)))
    seeds = [seed for _, seed in drive(several, *[Outcome.ACCEPTED] * 3)]
    assert seeds[0] == 14
    assert len(set(seeds)) == 3
    assert several.stop_reason is StopReason.EDITED


def test_what_an_interrupted_run_has_filled_is_not_filled_again() -> None:
    done = PartFacts(index=4, attempt=0, seed=1, overlap=0.0, candidate=0)
    again = session(*(Slot(4, 4, candidate=number) for number in range(2)), accepted=(done,))
    attempt = again.next_attempt()
    assert attempt is not None
    assert attempt.candidate == 1
