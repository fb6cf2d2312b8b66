"""The front on real sockets: around the service, and around what Serve's proxy answers by itself."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from ray.serve._private.http_util import convert_object_to_asgi_messages
from starlette.types import ASGIApp, Receive, Scope, Send

from apg_core.protocol.job import Problem
from deployments import front
from deployments.front import HEAD_BYTES, Front, middlewares
from tests.support.http_server import Server
from tests.support.inputs import png
from tests.support.waiting import until


@contextmanager
def behind_the_front(app: ASGIApp) -> Iterator[tuple[str, int]]:
    """The app behind it, as Ray puts it there."""
    [middleware] = middlewares()
    assert middleware.cls is Front
    web = uvicorn.Server(uvicorn.Config(middleware.cls(app), port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()))
    thread.start()
    while not web.started:
        time.sleep(0.01)
    try:
        yield web.servers[0].sockets[0].getsockname()[:2]
    finally:
        web.should_exit = True
        thread.join(20)


class Proxy:
    """What Serve's proxy says by itself, in its own messages; `routes` are what it knows of."""

    def __init__(self, routes: dict[str, str] | None = None, status: int = 404) -> None:
        self.routes = routes or {}
        self.status = status
        self.cancelled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/hang":
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        elif scope["path"] == "/read":
            while (await receive()).get("more_body"):
                pass
            await asyncio.Event().wait()
        elif scope["path"] == "/-/routes":
            answer = convert_object_to_asgi_messages(self.routes, 200)
        else:
            answer = convert_object_to_asgi_messages("Path '/' not found. Ping http://.../-/routes", self.status)
        for message in answer:
            await send(message)


def problem(answer: httpx.Response) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    said = Problem.model_validate_json(answer.content)
    assert said.status == answer.status_code
    return said


def answered(address: tuple[str, int], *sent: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body of what is answered to these bytes, until the connection is closed."""
    with socket.create_connection(address, timeout=30) as connection:
        received = b""
        try:
            for some in sent:
                connection.sendall(some)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            while some := connection.recv(65_536):
                received += some
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, received[:300]
    return int(head.split()[1]), json.loads(body)


def test_until_the_proxy_knows_the_service_it_is_starting_and_not_unknown() -> None:
    proxy = Proxy()
    with behind_the_front(proxy) as (host, port), httpx.Client(base_url=f"http://{host}:{port}") as client:
        for path in ("/health/ready", "/v1/jobs/" + "0" * 32):
            said = problem(answer := client.get(path, headers={"X-Request-ID": "mine"}))
            assert (said.status, said.code, said.retryable, said.request_id) == (503, "not_ready", True, "mine")
            assert answer.headers["retry-after"] == "5"
        proxy.routes = {"/apg": "autopartgen"}
        assert problem(client.get("/elsewhere")).status == 404


@pytest.mark.parametrize("status", [500, 503, 408])
def test_failures_of_the_proxy_itself_are_problems(status: int) -> None:
    with behind_the_front(Proxy(status=status)) as (host, port):
        assert problem(httpx.get(f"http://{host}:{port}/")).status == status


def test_routes_are_not_told_and_a_star_is_no_path() -> None:
    with behind_the_front(Proxy({"/": "autopartgen"})) as (host, port):
        assert problem(httpx.get(f"http://{host}:{port}/-/routes")).status == 404
        status, said = answered((host, port), b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (status, said["code"]) == (400, "malformed")


def test_the_service_behind_it_answers_as_it_does_alone(server: Server) -> None:
    async def passed(scope: Scope, receive: Receive, send: Send) -> None:  # the server runs in another loop
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as inner:
            body = b""
            while (message := await receive()).get("more_body"):
                body += message["body"]
            body += message["body"]
            answer = await inner.request(scope["method"], scope["path"], content=body, headers=scope["headers"])
        await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.headers.raw})
        await send({"type": "http.response.body", "body": answer.content})

    with behind_the_front(passed) as (host, port), httpx.Client(base_url=f"http://{host}:{port}") as client:
        job = client.post("/v1/jobs", files={"image": ("a.png", png())})
        assert job.status_code == 202
        assert problem(client.get("/v1/jobs/" + "0" * 32)).code == "not_found"
        assert client.get("/v1/limits").json() == httpx.get(server.url + "/v1/limits").json()


@pytest.mark.parametrize("given", [b"caf\xc3\xa9", b"a" * 201, b"\xff\xfe", b"two\tparts"])
def test_an_id_that_is_not_well_formed_is_replaced_by_one_in_header_and_body(given: bytes) -> None:
    with behind_the_front(Proxy()) as (host, port):
        answer = httpx.get(f"http://{host}:{port}/", headers={b"X-Request-ID": given})
        assert problem(answer).request_id == answer.headers["x-request-id"]
        assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "head",
    [
        [b"GET / HTTP/1.1\r\n"] + [b"X-%d: " % number + b"a" * 1000 + b"\r\n" for number in range(2_000)],
        [b"GET / HTTP/1.1\r\nX-A: "] + [b"a" * 10_000] * 200,
        [b"GET /"] + [b"a" * 10_000] * 200,
    ],
    ids=["many headers", "one header", "the address"],
)
def test_a_head_without_end_is_refused_when_it_is_too_large(head: list[bytes]) -> None:
    with behind_the_front(Proxy()) as address:
        status, said = answered(address, *head)
        assert (status, said["code"]) == (431, "headers_too_large")
        assert f"{HEAD_BYTES:,}" in said["detail"]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Len"])
def test_a_head_that_does_not_come_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(front, "HEAD_SECONDS", 0.2)
    with behind_the_front(Proxy()) as address:
        assert answered(address, sent)[0] == 408


def test_a_body_that_stops_coming_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODY_SECONDS", 0.2)
    with behind_the_front(Proxy()) as address:
        head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\n"
        assert answered(address, head, b"some")[0] == 408


def test_what_does_not_answer_is_given_up_and_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "ANSWER_SECONDS", 0.2)
    proxy = Proxy()
    with behind_the_front(proxy) as (host, port):
        said = problem(httpx.get(f"http://{host}:{port}/hang"))
        assert (said.status, said.retryable) == (503, True)
    assert proxy.cancelled


def test_what_is_no_http_is_a_problem() -> None:
    with behind_the_front(Proxy()) as address:
        status, said = answered(address, b"GARBAGE\r\n\r\n")
        assert (status, said["code"]) == (400, "malformed")


def test_who_wants_a_web_socket_is_answered_as_anybody_else() -> None:
    with behind_the_front(Proxy({"/": "a"})) as address:
        asked = b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
        status, said = answered(address, asked + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n\r\n")
        assert (status, said["code"]) == (404, "not_found")


def test_a_connection_is_kept_for_many_requests() -> None:
    with behind_the_front(Proxy({"/": "a"})) as (host, port), httpx.Client(base_url=f"http://{host}:{port}") as client:
        statuses = [client.get("/", headers={"X-Large": "a" * 30_000}).status_code for _ in range(5)]
        assert statuses == [404] * 5


def test_one_connection_too_many_is_refused_and_one_fewer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "CONNECTIONS", 3)
    with behind_the_front(Proxy({"/": "a"})) as address:
        open_ones = [socket.create_connection(address, timeout=30) for _ in range(3)]
        try:
            status, said = answered(address)
            assert (status, said["retryable"]) == (503, True)
            assert "3 connections" in said["detail"]
        finally:
            for one in open_ones:
                one.close()
        until(lambda: reached(address) == 404, seconds=60, what="room again")


def reached(address: tuple[str, int]) -> int:
    """Status of a request; 503 while there is no room."""
    try:
        return httpx.get(f"http://{address[0]}:{address[1]}/").status_code
    except httpx.TransportError:
        return 503
