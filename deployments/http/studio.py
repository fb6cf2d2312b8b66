"""The studio: the page at `/`, its files and the examples, and the headers that keep it to itself.

The page is plain files in the folder `page`, sent as they are. They are open where keys are on: the page asks for
the key.
"""

import mimetypes
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE = Path(__file__).with_name("page")
EXAMPLES = "/examples"
_RANGED = "/artifacts/"

_HEADERS = {
    # Nothing from elsewhere, nothing inline. Meshes' textures and pictures fetched with a key are blobs.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob:; object-src 'none'; "
        "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and answered 304 by ETag
}
_MEDIA_TYPES = {".css": "text/css", ".glb": "model/gltf-binary", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_studio(api: FastAPI) -> None:
    """Serve the page at `/` behind all other routes; a path that is neither is a 404 of the API."""
    for ending, media_type in _MEDIA_TYPES.items():  # some machines know others, or none
        mimetypes.add_type(media_type, ending)
    if (examples := PAGE / "examples").is_dir():  # a link to the project's
        api.mount(EXAMPLES, StaticFiles(directory=examples, follow_symlink=True))
    api.frontend("/", directory=PAGE, fallback=None)
    api.add_middleware(_Guarded)


class _Guarded:
    """ASGI middleware that gives each answer these headers where it has none of its own, and leads nowhere else.

    The page's files are sent whole: Starlette refuses a range that it cannot read in words that are no problem's.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if (location := headers.get("location")) is not None:  # Starlette's begin with the caller's Host header
                    headers["location"] = urlsplit(location)._replace(scheme="", netloc="").geturl()
            await send(message)

        if scope["type"] == "http" and _RANGED not in scope["path"]:
            del MutableHeaders(scope=scope)["range"]
        await self._app(scope, receive, send_guarded)
