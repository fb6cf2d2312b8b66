"""A stage whose replica is lost is done again, and counted by its name; no cluster is needed to see that."""

import asyncio

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from apg_core.errors import MaskError
from apg_core.protocol.stage import Stage
from deployments.errors import StageError, UnavailableError
from deployments.replicas import handle_stages
from deployments.replicas.handle_stages import HandleStages


def stages() -> HandleStages:
    return HandleStages(handles=None)  # type: ignore[arg-type]  # nothing is called over them


def done(working: HandleStages, *outcomes: object) -> object:
    """What a stage gives whose calls come out so, one after the other."""
    left = list(outcomes)

    async def call() -> object:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return asyncio.run(working._do(Stage.OVERLAP, call))


def failed(cause: Exception) -> RayTaskError:
    return RayTaskError("overlap", "traceback", cause)


def test_a_stage_is_done_again_as_often_as_its_replica_is_lost() -> None:
    working = stages()
    assert done(working, ActorDiedError(), ActorDiedError(), 0.5) == 0.5
    assert working.retried == {Stage.OVERLAP: 2}


def test_an_error_of_the_work_itself_is_raised_as_it_was_and_not_tried_again() -> None:
    working = stages()
    with pytest.raises(MaskError, match="no region") as refused:
        done(working, failed(MaskError("no region", field="mask")))
    assert refused.value.field == "mask"
    assert not working.retried


def test_a_mistake_in_a_stage_names_the_stage_and_hides_its_words() -> None:
    with pytest.raises(StageError, match=r"^stage overlap failed: ZeroDivisionError$"):
        done(stages(), failed(ZeroDivisionError("a secret")))


def test_a_replica_that_stays_away_makes_the_service_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle_stages, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(UnavailableError, match="no replica did stage overlap"):
        done(stages(), ActorDiedError())
