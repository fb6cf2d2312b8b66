"""Fair turns: nobody waits for more than others have."""

import asyncio

import pytest

from apg_core.sandbox.turns import Turns


def order_of(places: int, asked: list[str], *, cancelled: frozenset[int] = frozenset()) -> list[str]:
    """Who got a place in turn, when all of these asked at once; those of these numbers left the queue."""

    async def main() -> list[str]:
        turns, served = Turns(places), []

        async def one(who: str) -> None:
            async with turns.of(who):
                served.append(who)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(who)) for who in asked]
            await asyncio.sleep(0)
            for number in cancelled:
                tasks[number].cancel()
        async with asyncio.timeout(1):  # every place is free again
            async with asyncio.TaskGroup() as group:
                for _ in range(places):
                    group.create_task(one("last"))
        assert served[-places:] == ["last"] * places
        return served[:-places]

    return asyncio.run(main())


def test_one_who_comes_late_is_next_whatever_others_have_waiting() -> None:
    assert order_of(1, ["a"] * 8 + ["b"]) == ["a", "b"] + ["a"] * 7


def test_several_who_wait_take_turns() -> None:
    assert order_of(1, ["a"] * 3 + ["b"] * 3 + ["c"]) == ["a", "b", "c", "a", "b", "a", "b"]


def test_one_alone_has_every_place_in_the_order_of_asking() -> None:
    assert order_of(3, ["a"] * 10) == ["a"] * 10


@pytest.mark.parametrize("places", [1, 2])
def test_those_who_leave_the_queue_take_no_place_with_them(places: int) -> None:
    asked = ["a"] * 4 + ["b"] * 4
    gone = frozenset({places, 4, 7})
    served = order_of(places, asked, cancelled=gone)
    assert sorted(served) == sorted(who for number, who in enumerate(asked) if number not in gone)
