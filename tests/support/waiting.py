"""Waiting in tests: asking until it is so, with a deadline."""

import time
from collections.abc import Callable

import pytest


def until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Ask again and again until it is so; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
