"""Clients of the service: over HTTP, over a Serve handle, and on the command line.

The names are imported when they are first asked for, so that `apg` starts where the HTTP client is not installed.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clients.errors import ServiceUnreachableError
    from clients.http import AsyncAutoPartGenClient, AutoPartGenClient

__all__ = ["AsyncAutoPartGenClient", "AutoPartGenClient", "ServiceUnreachableError"]


def __getattr__(name: str) -> object:
    """A public name, from the module that it lives in."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "clients.errors" if name == "ServiceUnreachableError" else "clients.http"
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
