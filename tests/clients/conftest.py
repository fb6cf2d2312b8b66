"""Fixtures of the clients' tests."""

from tests.support.http_server import Server, server

__all__ = ["Server", "server"]
