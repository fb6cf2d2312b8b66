"""Byte ranges of a file (RFC 9110, section 14)."""

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class UnsatisfiableRangeError(ValueError):
    """No byte of the file is in the range."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and length of a `Range`; None where all is to be sent (none given, or not a single byte range).

    Raises:
        UnsatisfiableRangeError: it begins beyond the end.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size - 1
    else:
        start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < start:
            return None  # malformed: to be ignored
    if start >= size or (match[1] == "" and int(match[2]) == 0):
        raise UnsatisfiableRangeError
    return start, end - start + 1
