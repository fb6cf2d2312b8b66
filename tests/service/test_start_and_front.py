"""The front in the proxy of a real service: from its start on, whatever it is asked."""

import socket

import httpx
import pytest
from conftest import RunningService

from deployments.front import HEAD_BYTES

pytestmark = [pytest.mark.http, pytest.mark.graph]


def test_a_service_that_starts_says_so_and_nothing_else(service: RunningService) -> None:
    assert service.answers <= {(200, "application/json"), (503, "application/problem+json")}
    assert (200, "application/json") in service.answers


def test_no_request_id_is_a_failure_and_header_and_body_have_the_same(service: RunningService) -> None:
    for given in (b"caf\xc3\xa9", b"\xff", b"a" * 300, b"mine"):
        answer = httpx.get(f"{service.url}/v1/jobs/{'0' * 32}", headers={b"X-Request-ID": given})
        assert answer.status_code == 404
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert (answer.headers["x-request-id"] == "mine") is (given == b"mine")


def test_the_port_has_limits_and_tells_no_routes(service: RunningService) -> None:
    routes = httpx.get(f"{service.url}/-/routes")
    assert (routes.status_code, routes.headers["content-type"]) == (404, "application/problem+json")
    assert httpx.get(f"{service.url}/-/healthz").status_code == 200
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-A: " + b"a" * (HEAD_BYTES + 1))
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")
