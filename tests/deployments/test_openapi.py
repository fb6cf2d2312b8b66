"""The OpenAPI description is true: whatever fits it is answered as it says, and nothing makes the service fail."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

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
        @settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
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


class Addresses(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = re.findall(r"\burl: '([^']*)'", page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_documentation_page_needs_nothing_from_elsewhere(server: Server) -> None:
    page = httpx.get(f"{server.url}/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    addresses = Addresses(page.text).found
    assert len(addresses) == 4
    for address in addresses:
        assert not urlsplit(address).netloc, address
        assert httpx.get(urljoin(f"{server.url}/docs", address)).status_code == 200, address
    styles = httpx.get(f"{server.url}/docs/swagger-ui.css").text
    assert all(address.startswith("data:") for address in re.findall(r"url\([\"']?([^)\"']*)", styles))
    assert '"validatorUrl": null' in page.text  # Swagger UI would send the description to a service elsewhere


def test_there_is_no_page_whose_files_are_elsewhere(server: Server) -> None:
    assert httpx.get(f"{server.url}/redoc").status_code == 404
    missing = httpx.get(f"{server.url}/docs/nothing.js")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_a_described_submission_is_accepted(server: Server) -> None:
    answer = httpx.post(f"{server.url}/v1/jobs", files={"image": ("a.png", png())}, headers=AS_ANN)
    assert answer.status_code == 202
