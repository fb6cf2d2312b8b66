"""The text of a text file that may be hostile."""

import re

_PRINTABLE = bytes(c if 32 <= c < 127 or c == ord("\n") else ord(" ") for c in range(256))
_SPACES = re.compile(rb"  +")
_BLANK_LINES = re.compile(rb"\n\n+")


def plain_text(data: bytes) -> bytes:
    """Printable ASCII, single spaces, no blank lines and no spaces at either end of a line.

    Whatever else there was is a space now; names in other alphabets are not needed here.
    """
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").translate(_PRINTABLE)
    text = _SPACES.sub(b" ", text).replace(b" \n", b"\n").replace(b"\n ", b"\n")
    return _BLANK_LINES.sub(b"\n", text).strip()
