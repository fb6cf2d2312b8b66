"""Fixtures of the service's tests."""

import pytest

from tests.support.clocks import Clock
from tests.support.databases import database, database_url, postgres_uri
from tests.support.http_server import Server, server

__all__ = ["Clock", "Server", "clock", "database", "database_url", "postgres_uri", "server"]


@pytest.fixture
def clock() -> Clock:
    """Time under the test's control."""
    return Clock()
