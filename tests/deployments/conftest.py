"""Fixtures of the service's tests."""

import pytest
from support.clocks import Clock
from support.databases import database, database_url, postgres_uri
from support.http_server import Server, server

__all__ = ["Clock", "Server", "clock", "database", "database_url", "postgres_uri", "server"]


@pytest.fixture
def clock() -> Clock:
    """Time under the test's control."""
    return Clock()
