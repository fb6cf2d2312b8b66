"""The HTTP client, sync and async: two thin shells that do the requests which one core without I/O asks for."""

from clients.http.async_client import AsyncAutoPartGenClient
from clients.http.client import AutoPartGenClient

__all__ = ["AsyncAutoPartGenClient", "AutoPartGenClient"]
