"""Several presets in one service: a job has the one that it names, and the runners of each take up their own."""

import json

import pytest

from apg_core.presets import load_preset
from apg_core.protocol.options import GenerationOptions
from clients import AutoPartGenClient
from deployments.stores.jobs.records import Share
from tests.support.http_server import Server
from tests.support.inputs import png

SERVER = {"more_presets": ["tiny"]}
FIRST = Share(preset="nano", others=frozenset({"tiny"}))
SECOND = Share(preset="tiny")


def drain(server: Server) -> None:
    while (claim := server.runner.leases.claim("test")) is not None:
        server.runner.succeed(claim)


def test_a_job_gets_the_preset_that_it_names_with_its_defaults_or_the_first(server: Server) -> None:
    with AutoPartGenClient(server.url) as client:
        for name, job in (("nano", client.submit(image=png())), ("tiny", client.submit(image=png(), preset="tiny"))):
            complete = load_preset(name).complete(GenerationOptions())
            assert (job.preset, job.options) == (name, complete.model_dump(mode="json"))
    drain(server)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_preset_that_is_not_there_is_refused_with_those_that_are(server: Server, as_json: bool) -> None:
    with server.client as client:
        if as_json:
            answer = client.post("/v1/jobs", json={"image": "AAAA", "preset": "autopartgen-2048"})
        else:
            files = {"image": ("a.png", png())}
            answer = client.post(
                "/v1/jobs", files=files, data={"preset": "autopartgen-2048", "options": json.dumps({})}
            )
        assert (answer.status_code, answer.json()["field"]) == (422, "preset")
        assert "nano, tiny" in answer.json()["detail"]
        twice = client.post("/v1/jobs", files=[("image", ("a.png", png()))], data={"preset": ["nano", "tiny"]})
        assert (twice.status_code, twice.json()["detail"]) == (422, "preset is given twice")


def test_runners_take_up_the_jobs_of_their_preset_and_the_first_ones_all_that_nobody_else_would(server: Server) -> None:
    leases = server.runner.leases
    with AutoPartGenClient(server.url) as client:
        tiny = client.submit(image=png(), preset="tiny")
        nano = client.submit(image=png())
        assert (leases.unfinished(FIRST), leases.unfinished(SECOND), leases.unfinished()) == (1, 1, 2)
        first, second = leases.claim("one", FIRST), leases.claim("two", SECOND)
        assert first is not None
        assert second is not None
        assert (first.job.id, second.job.id) == (nano.id, tiny.id)
        assert (leases.claim("one", FIRST), leases.claim("two", SECOND)) == (None, None)
        server.runner.succeed(first)
        server.runner.succeed(second)

        orphan = client.submit(image=png(), preset="tiny")  # of a preset that the service runs no more
        claim = leases.claim("one", Share(preset="nano", others=frozenset()))
        assert claim is not None
        assert (claim.job.id, client.get(orphan.id).preset) == (orphan.id, "nano")
        server.runner.succeed(claim)


def test_the_same_upload_for_another_preset_is_another_submission(server: Server) -> None:
    with AutoPartGenClient(server.url) as client:
        job = client.submit(image=png(), idempotency_key="k", preset="tiny")
        assert client.submit(image=png(), idempotency_key="k", preset="tiny").id == job.id
        with pytest.raises(Exception, match="used before with another"):
            client.submit(image=png(), idempotency_key="k")
    drain(server)


def test_the_models_that_are_loaded_come_first(server: Server) -> None:
    with server.client as client:
        models = client.get("/v1/models").json()["models"]
        assert [(model["name"], model["loaded"]) for model in models[:2]] == [("nano", True), ("tiny", True)]
        assert not any(model["loaded"] for model in models[2:])
        assert [model["defaults"]["best_of"] for model in models[:2]] == [
            load_preset(name).complete(GenerationOptions()).best_of for name in ("nano", "tiny")
        ]
