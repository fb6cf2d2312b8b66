"""Waiting before further tries."""

from itertools import islice, pairwise

from apg_core.protocol.backoff import FIRST_SECONDS, delays


def test_delays_double_up_to_the_longest_less_at_most_half() -> None:
    for number, delay in enumerate(islice(delays(longest=3.0), 12)):
        full = min(FIRST_SECONDS * 2**number, 3.0)
        assert full / 2 <= delay <= full


def test_two_that_failed_together_do_not_come_back_together() -> None:
    ours, theirs = (list(islice(delays(longest=3.0), 12)) for _ in range(2))
    assert ours != theirs
    assert all(one != next_one for one, next_one in pairwise(ours))
