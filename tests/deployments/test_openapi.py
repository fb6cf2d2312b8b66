"""The OpenAPI description is true: whatever fits it is answered as it says, and nothing makes the service fail."""

from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.http_server import Server
from tests.support.inputs import png

SERVER: dict[str, Any] = {"keys": {"ann": "secret"}, "limits": {"queue_length": 10_000, "jobs_per_key": 10_000}}
AS_ANN = {"Authorization": "Bearer secret"}


def test_every_answer_is_one_that_is_described(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    for described in schema.get_all_operations():

        @given(case=described.ok().as_strategy())
        @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case) -> None:
            response = case.call(headers=AS_ANN, timeout=60)
            # Random bytes are no picture, so what fits the schema may well be refused: that is described too.
            case.validate_response(response, headers=AS_ANN, excluded_checks=[positive_data_acceptance])

        check()


def test_the_description_is_openapi_3_1_and_names_every_failure(server: Server) -> None:
    schema = httpx.get(f"{server.url}/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    validate(schema)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            problems = [status for status in operation["responses"] if int(status) >= 400]
            for status in problems:
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"], (path, method)
            assert ("security" in operation) == (not path.startswith("/health/")), path


def test_the_documentation_page_is_served(server: Server) -> None:
    assert "swagger" in httpx.get(f"{server.url}/docs").text.lower()


def test_a_described_submission_is_accepted(server: Server) -> None:
    answer = httpx.post(f"{server.url}/v1/jobs", files={"image": ("a.png", png())}, headers=AS_ANN)
    assert answer.status_code == 202
