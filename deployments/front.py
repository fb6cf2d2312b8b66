"""What stands in Serve's HTTP proxy ahead of the service: limits, time-outs, and problems in the agreed words.

Serve's own proxy has neither limits nor time-outs for headers, answers 404 until it knows of the application, and tells
everyone its routes. Ray calls `middlewares` in each proxy where the environment of its nodes has
`RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=deployments.front:middlewares`; `apg serve` and the container set it.
"""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus

import uvicorn.config
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from apg_core.protocol.job import Problem
from deployments.http.failures import MEDIA_TYPE, problem_response
from deployments.http.request_ids import HEADER, request_id_in
from deployments.problems import RETRYABLE, TYPE_PREFIX, title_of

HEAD_BYTES = 64 * 1024  # request line and headers; browsers and proxies send less than 16 KiB
HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0  # in which some more of a body must come
ANSWER_SECONDS = 120.0  # beyond the longest `Prefer: wait` and the time to decode
CONNECTIONS = 2_000  # at a time; each follower of events holds one
RETRY_AFTER_SECONDS = 5
_ROUTES = "/-/routes"
_CODES = {400: "malformed", 404: "not_found", 408: "too_slow", 431: "headers_too_large", 503: "not_ready"}


def middlewares() -> list[Middleware]:
    """For Ray to call in its proxy before it listens: the protocol that uvicorn is to speak, and the front itself."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "deployments.front:BoundedHttp"
    return [Middleware(Front)]


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, with bounds on connections, on the size of a request's head and on the time that this takes."""

    _head_bytes = 0
    _in_head = True
    _refusal = (HTTPStatus.BAD_REQUEST, "this is not an HTTP request that can be read")
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, and has a while to say what for."""
        super().connection_made(transport)
        self.ws_protocol_class = None  # nobody speaks WebSocket here, and its handshake has none of these bounds
        if len(self.connections) > CONNECTIONS:
            full = f"{CONNECTIONS:,} connections are open, the limit; try again"
            self._refusal = (HTTPStatus.SERVICE_UNAVAILABLE, full)
            self.send_400_response("")
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More of a head, a body, or both."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._count(len(data))
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_bytes = 0
        self._in_head = True
        self._wait_for_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete."""
        self._count(len(name) + len(value))
        if self._head_bytes > HEAD_BYTES:
            raise ValueError("the head is too large")  # the parser stops, and `send_400_response` is called
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse, and close."""
        status, detail = self._refusal
        answer = problem_response(_problem(status, detail, request_id=None), headers={"connection": "close"})
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            large = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refusal = (large, f"the request's headers have more than {HEAD_BYTES:,} bytes, the limit")

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self._refusal = (HTTPStatus.REQUEST_TIMEOUT, f"the request's headers did not come in {HEAD_SECONDS:g} s")
            self.send_400_response("")


class Front:
    """ASGI middleware around Serve's proxy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with an id that is well formed, and see that an answer of ours comes in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_in(Headers(scope=scope))
        MutableHeaders(scope=scope)[HEADER] = request_id
        if not scope["path"].startswith("/"):
            await _answer(send, _problem(HTTPStatus.BAD_REQUEST, "ask for a path", request_id=request_id))
        elif scope["path"] == _ROUTES:
            await _answer(send, _nothing_here(scope, request_id))
        else:
            await self._pass_on(scope, receive, send, request_id)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        held = _Held(send)
        try:
            async with asyncio.timeout(ANSWER_SECONDS) as limit:
                held.on_start = lambda: limit.reschedule(None)
                body = _Body(receive, limit)
                await self._app(scope, body.receive, held.send)
        except TimeoutError:
            if held.passed:
                raise
            late = _problem(
                HTTPStatus.REQUEST_TIMEOUT if body.stalled else HTTPStatus.SERVICE_UNAVAILABLE,
                f"nothing of the body came in {BODY_SECONDS:g} s" if body.stalled else "no answer in time; try again",
                request_id=request_id,
            )
            await _answer(send, late)
            return
        if (status := held.foreign) is not None:
            await _answer(send, await self._in_our_words(status, scope, request_id))

    async def _in_our_words(self, status: HTTPStatus, scope: Scope, request_id: str) -> Problem:
        """What the proxy itself has to say, as a problem."""
        if status is not HTTPStatus.NOT_FOUND:
            return _problem(status, "the service did not answer; try again", request_id=request_id)
        if await self._has_routes(scope):
            return _nothing_here(scope, request_id)
        starting = "the service is starting; try again shortly"
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, starting, request_id=request_id)

    async def _has_routes(self, scope: Scope) -> bool:
        """Whether the proxy knows of an application."""
        body = bytearray()

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            body.extend(message.get("body", b""))

        asked = {**scope, "method": "GET", "path": _ROUTES, "raw_path": _ROUTES.encode("ascii")}
        await self._app(asked, receive, send)
        try:
            return bool(json.loads(body))
        except ValueError:  # words, while it has not heard of any
            return False


class _Held:
    """Passes an answer on, but one of the proxy's own: a failure that is not a problem."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.foreign: HTTPStatus | None = None
        self.passed = False
        self.on_start: Callable[[], None] = lambda: None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.on_start()
            kind = Headers(raw=message.get("headers", [])).get("content-type", "")
            if message["status"] >= HTTPStatus.BAD_REQUEST and not kind.startswith(MEDIA_TYPE):
                self.foreign = HTTPStatus(message["status"])
        if self.foreign is None:
            self.passed = True
            await self._send(message)


class _Body:
    """What is received, as long as more of a body comes in time; the time for an answer counts from there."""

    def __init__(self, receive: Receive, limit: asyncio.Timeout) -> None:
        self._receive = receive
        self._limit = limit
        self._more = True
        self.stalled = False

    async def receive(self) -> Message:
        if not self._more:  # what comes now is that the caller has left
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), BODY_SECONDS)
        except TimeoutError:
            self.stalled = True
            self._answer_within(0)
            return {"type": "http.disconnect"}
        self._more = message.get("more_body", False)
        self._answer_within(ANSWER_SECONDS)
        return message

    def _answer_within(self, seconds: float) -> None:
        if self._limit.when() is not None:  # nothing has been answered yet
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


async def _answer(send: Send, problem: Problem) -> None:
    headers = {HEADER: str(problem.request_id)}
    if problem.retryable:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    answer = problem_response(problem, headers=headers)
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": bytes(answer.body)})


def _nothing_here(scope: Scope, request_id: str) -> Problem:
    detail = f"{scope['method']} {scope['path']}: not found; see /openapi.json for what there is"
    return _problem(HTTPStatus.NOT_FOUND, detail, request_id=request_id)


def _problem(status: HTTPStatus, detail: str, *, request_id: str | None) -> Problem:
    code = _CODES.get(status, "http")
    return Problem(
        type=TYPE_PREFIX + code,
        title=title_of(code),
        status=status,
        detail=detail,
        code=code,
        retryable=status in RETRYABLE,
        request_id=request_id,
    )
