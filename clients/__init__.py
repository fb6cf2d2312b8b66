"""Clients of the service: over HTTP, over a Serve handle, and on the command line."""

from clients.errors import ServiceUnreachableError
from clients.http import AsyncAutoPartGenClient, AutoPartGenClient

__all__ = ["AsyncAutoPartGenClient", "AutoPartGenClient", "ServiceUnreachableError"]
