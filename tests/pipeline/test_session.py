"""The decisions of a generation, driven by made-up outcomes."""

import pytest

from apg_core.pipeline.seeds import Draw, draw_seed
from apg_core.pipeline.session import Attempt, Outcome, PartSession
from apg_core.protocol.manifest import FailedRegion, PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions


def session(*, labels: list[int] | None = None, **options: object) -> PartSession:
    return PartSession(GenerationOptions(**options), end_threshold=0.1, labels=labels)


def play(session: PartSession, *outcomes: Outcome) -> list[Attempt]:
    attempts = []
    for outcome in outcomes:
        attempt = session.next_attempt()
        assert attempt is not None
        attempts.append(attempt)
        session.record(outcome)
    return attempts


def test_session_ends_when_the_model_ends_the_object() -> None:
    playing = session()
    play(playing, Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.END_OF_OBJECT)
    assert playing.next_attempt() is None
    assert playing.stop_reason is StopReason.END_OF_SEQUENCE


def test_session_stops_after_the_last_retry_of_a_duplicate() -> None:
    playing = session(duplicate_retries=2)
    attempts = play(playing, Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.EMPTY, Outcome.DUPLICATE)
    assert [attempt.number for attempt in attempts] == [0, 0, 1, 2]
    assert playing.next_attempt() is None
    assert playing.stop_reason is StopReason.NO_NEW_PART


def test_session_stops_at_the_cap_without_another_attempt() -> None:
    playing = session(max_parts=2)
    play(playing, Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert playing.next_attempt() is None
    assert playing.stop_reason is StopReason.MAX_PARTS


def test_session_tries_each_region_once_it_has_a_part_and_passes_over_one_that_fails() -> None:
    playing = session(labels=[7, 3, 9], duplicate_retries=1)
    attempts = play(playing, Outcome.ACCEPTED, Outcome.EMPTY, Outcome.EMPTY, Outcome.ACCEPTED)
    assert [(attempt.label, attempt.turn, attempt.index) for attempt in attempts] == [
        (7, 0, 0),
        (3, 1, 1),
        (3, 1, 1),
        (9, 2, 1),
    ]
    assert playing.next_attempt() is None
    assert playing.stop_reason is StopReason.ALL_REGIONS_DONE
    assert playing.failed_regions == (FailedRegion(label=3, attempts=2, reason="empty"),)


def test_mask_regions_ignore_the_cap_the_end_and_duplicates() -> None:
    playing = session(labels=[1, 2, 3], max_parts=1)
    assert not playing.is_end(0.0)
    assert not playing.is_duplicate(1.0)
    play(playing, *[Outcome.ACCEPTED] * 3)
    assert playing.stop_reason is None
    assert playing.next_attempt() is None
    assert playing.stop_reason is StopReason.ALL_REGIONS_DONE


def test_seeds_count_parts_and_attempts_as_the_release_does() -> None:
    playing = session(seed=5, part_seed_stride=100, retry_seed_stride=7)
    attempts = play(playing, Outcome.EMPTY, Outcome.ACCEPTED, Outcome.EMPTY, Outcome.EMPTY)
    assert [attempt.seed for attempt in attempts] == [5, 12, 105, 112]


def test_a_pending_attempt_is_the_same_until_it_is_recorded() -> None:
    playing = session()
    assert playing.next_attempt() is playing.next_attempt()


def test_recording_without_an_attempt_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="next_attempt"):
        session().record(Outcome.ACCEPTED)


@pytest.mark.parametrize(("threshold", "overlap", "duplicate"), [(0.3, 0.31, True), (0.3, 0.3, False), (-1, 1, False)])
def test_a_duplicate_overlaps_by_more_than_the_threshold(threshold: float, overlap: float, duplicate: bool) -> None:
    assert session(iou_threshold=threshold).is_duplicate(overlap) is duplicate


def test_the_end_is_below_the_threshold() -> None:
    assert session().is_end(0.0999)
    assert not session().is_end(0.1)


@pytest.mark.parametrize("labels", [None, [4, 5, 6, 7]])
def test_an_interrupted_session_goes_on_with_the_attempts_it_would_have_made(labels: list[int] | None) -> None:
    outcomes = [Outcome.ACCEPTED, Outcome.EMPTY, Outcome.ACCEPTED, Outcome.ACCEPTED]
    options = GenerationOptions(seed=3, part_seed_stride=11)
    through = PartSession(options, end_threshold=0.1, labels=labels)
    expected = play(through, *outcomes)[-1]
    accepted = [PartFacts(index=index, attempt=0, seed=0, overlap=0) for index in range(2)]
    resumed = PartSession(options, end_threshold=0.1, labels=labels, accepted=accepted)
    assert resumed.next_attempt() == expected


def test_draws_of_different_purposes_parts_and_attempts_have_different_seeds() -> None:
    seeds = {
        draw_seed(job, purpose, part=part, attempt=attempt)
        for job in (0, 1)
        for purpose in Draw
        for part in range(5)
        for attempt in range(5)
    }
    assert len(seeds) == 2 * len(Draw) * 25
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_draw_seed_is_a_fixed_function() -> None:
    assert draw_seed(0, Draw.HISTORY_SURFACE, part=1) == draw_seed(0, Draw.HISTORY_SURFACE, part=1)
