"""`X-Request-ID` in and out: an id for every request, the caller's own where it gave one."""

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[\x20-\x7e]{1,200}")


class RequestIds:
    """ASGI middleware that gives each request its id; `echo` is off where a proxy in front tells it already."""

    def __init__(self, app: ASGIApp, *, echo: bool) -> None:
        self._app = app
        self._echo = echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with `request_id` in its state."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_in(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if self._echo and message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def request_id_in(headers: Headers) -> str:
    """The id that a request brings, or a new one where it brings none that is well formed."""
    given = headers.get(HEADER, "")
    return given if WELL_FORMED.fullmatch(given) else uuid4().hex


def request_id_of(request: HTTPConnection) -> str:
    """The id of this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))
