"""A client that is generated from the published description, and knows nothing else, does all that can be done."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from httpx_sse import EventSource, ServerSentEvent
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import positive_data_acceptance

from apg_core.protocol.mode import INPUTS
from tests.support.http_server import Server
from tests.support.inputs import mask_png, png

SERVER: dict[str, Any] = {"keys": {"ann": "secret"}}
AS_ANN = {"Authorization": "Bearer secret"}


class GeneratedClient:
    """A method for each operation of a description, by its id; an answer that is not as described is an error."""

    def __init__(self, url: str) -> None:
        self._description = schemathesis.openapi.from_url(f"{url}/openapi.json")
        self.document: dict[str, Any] = self._description.raw_schema
        self.called: set[str] = set()

    @property
    def operations(self) -> set[str]:
        """The ids of all operations."""
        return {one.ok().definition.raw["operationId"] for one in self._description.get_all_operations()}

    def __getattr__(self, operation_id: str) -> Any:
        operation = self._description.find_operation_by_id(operation_id)

        def call(**given: Any) -> schemathesis.Response:
            case = operation.Case(**given)
            response = case.call(headers=AS_ANN, timeout=60)
            case.validate_response(response, headers=AS_ANN, excluded_checks=[positive_data_acceptance])
            self.called.add(operation_id)
            return response

        return call

    def check(self, value: object, component: str) -> None:
        """Raise where a value is not what a component of the description says."""
        schema = {"$ref": f"#/components/schemas/{component}", "components": self.document["components"]}
        Draft202012Validator(schema).validate(value)


def events_of(answer: schemathesis.Response) -> list[ServerSentEvent]:
    stream = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=answer.content)
    return [event for event in EventSource(stream).iter_sse() if event.data]


@pytest.fixture
def client(server: Server) -> Iterator[GeneratedClient]:
    return GeneratedClient(server.url)


def test_a_client_made_from_the_description_can_do_all_that_there_is(client: GeneratedClient, server: Server) -> None:
    form = {"image": png(), "mask": mask_png(2), "options": {"seed": 7}}
    submitted = client.submit_job(body=form, media_type="multipart/form-data")
    assert submitted.status_code == 202, submitted.text
    job = submitted.json()
    assert (job["mode"], job["options"]["seed"]) == ("image_mask", 7)
    server.runner.succeed(server.runner.claim(), parts=2)

    here = {"job_id": job["id"]}
    assert client.get_job(path_parameters=here).json()["status"] == "succeeded"
    assert [one["id"] for one in client.list_jobs(query={"status": "succeeded"}).json()["jobs"]] == [job["id"]]

    stream = client.follow_job(path_parameters=here)
    told = events_of(stream)
    assert [event.event for event in told][-1] == "succeeded"
    for event in told:
        client.check(event.json(), "Event")
    later = client.follow_job(path_parameters=here, headers={"Last-Event-ID": str(len(told) - 1)})
    assert [event.event for event in events_of(later)] == ["succeeded"]

    file = client.fetch_artifact(path_parameters=here | {"name": "mesh_001.glb"})
    assert file.content == b"final mesh_001.glb"

    assert client.delete_job(path_parameters=here).status_code == 204
    assert client.get_job(path_parameters=here).status_code == 404

    other = client.submit_job(body={"image": "AAAA"}, media_type="application/json")
    assert (other.status_code, other.json()["field"]) == (422, "image")
    again = client.submit_job(body={"image": png()}, media_type="multipart/form-data").json()
    assert client.cancel_job(path_parameters={"job_id": again["id"]}).json()["status"] == "cancelled"

    going_on = client.edit_job(
        path_parameters={"job_id": again["id"]}, body={"operation": "continue"}, media_type="application/json"
    )
    assert (going_on.status_code, going_on.json()["parent"]) == (202, again["id"])
    suggested = client.suggest_mask(
        body={"image": png(), "options": {"remove_background": False}}, media_type="multipart/form-data"
    )
    client.check(suggested.json(), "MaskSuggestion")

    assert client.list_models().json()["limits"] == client.get_limits().json()
    assert client.check_alive().json() == {"status": "ok"}
    assert client.check_ready().json() == {"status": "ok", "presets": ["nano"]}
    assert "apg_jobs_finished_total" in client.get_metrics().text
    assert client.called == client.operations


def test_a_client_that_sends_what_the_schema_says_gets_what_one_gets_that_says_nothing(
    client: GeneratedClient, server: Server
) -> None:
    schema = client.document["components"]["schemas"]["GenerationOptions"]
    said = {name: described["default"] for name, described in schema["properties"].items()}
    client.check(said, "GenerationOptions")
    assert said["num_inference_steps"] == 4  # the preset's, not the released one's 50
    form = {"image": png()}
    silent = client.submit_job(body=form, media_type="multipart/form-data").json()
    spoken = client.submit_job(body=form | {"options": said}, media_type="multipart/form-data").json()
    assert silent["options"] == spoken["options"] == said
    models = client.list_models().json()["models"]
    assert models[0]["defaults"] == said
    assert {name: scales["image"] for name, scales in models[0]["guidance"].items()} == {
        mode: scales.image for mode, scales in server.service.desk.preset.guidance.items()
    }
    assert models[0]["whole_guidance"] == server.service.desk.preset.whole_guidance
    tiny = next(model for model in models if model["name"] == "tiny")
    assert (tiny["defaults"]["fit_to_mesh"], tiny["defaults"]["best_of"]) == (True, 4)


def test_the_largest_options_are_those_of_the_service(client: GeneratedClient, server: Server) -> None:
    options = client.document["components"]["schemas"]["GenerationOptions"]["properties"]
    for name, largest in server.service.desk.limits.largest_options.items():
        assert options[name]["maximum"] == largest


def test_both_forms_of_a_submission_refer_to_the_same_options(client: GeneratedClient) -> None:
    content = client.document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    schemas = client.document["components"]["schemas"]
    for media_type in ("multipart/form-data", "application/json"):
        name = content[media_type]["schema"]["$ref"].rpartition("/")[2]
        assert schemas[name]["properties"]["options"] == {"$ref": "#/components/schemas/GenerationOptions"}


def test_both_forms_of_a_submission_name_every_format_of_its_files(client: GeneratedClient) -> None:
    for form in ("JobForm", "JobRequest"):
        for name, kind in INPUTS.items():
            described = client.document["components"]["schemas"][form]["properties"][name]["description"]
            assert kind.accepted in described


def test_any_request_may_have_an_id_of_its_own(client: GeneratedClient) -> None:
    answer = client.list_models(headers={"X-Request-ID": "mine"})
    assert answer.headers["x-request-id"] == ["mine"]
    for path, operations in client.document["paths"].items():
        for operation in operations.values():
            assert {"$ref": "#/components/parameters/RequestId"} in operation["parameters"], path


def test_the_items_of_the_event_stream_are_described(client: GeneratedClient) -> None:
    answer = client.document["paths"]["/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]
    text, item = answer["content"]["text/event-stream"]["schema"]["anyOf"]
    assert text == {"type": "string"}
    assert item["properties"]["data"]["contentSchema"] == {"$ref": "#/components/schemas/Event"}
