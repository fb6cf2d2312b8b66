"""Who is asking: bearer keys from a file, kept as hashes and compared in constant time."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from apg_core.errors import SetupError
from deployments.errors import UnauthorizedError

NOBODY = "local"
"""Owner of all jobs where no keys are asked for."""
_LINE = re.compile(r"(?P<owner>[A-Za-z0-9_.@-]{1,100}):(?P<sha256>[0-9a-f]{64})")


class Keys:
    """The keys that are known here, as owner -> SHA-256 of the key."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)

    @classmethod
    def from_file(cls, path: Path) -> "Keys":
        """Keys of a file with one `owner:sha256` a line; empty lines and `#` comments are skipped.

        Raises:
            SetupError: it cannot be read, holds no key, or a line is not of this form.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"cannot read the key file {path}: {error}") from error
        hashes = {}
        for number, line in enumerate(lines, start=1):
            if not (content := line.partition("#")[0].strip()):
                continue
            if (match := _LINE.fullmatch(content)) is None:
                raise SetupError(f"{path}, line {number}: want `owner:sha256`; `apg new-key OWNER` prints one")
            hashes[match["owner"]] = match["sha256"]
        if not hashes:
            raise SetupError(f"the key file {path} holds no key; `apg new-key OWNER` prints one")
        return cls(hashes)

    def owner_of(self, key: str | None) -> str:
        """Whose key this is. Takes as long for a wrong key as for a right one.

        Raises:
            UnauthorizedError: no key, or an unknown one.
        """
        if not key:
            raise UnauthorizedError("a key is needed; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        given = hash_of(key)
        owner = None
        for name, known in self._hashes.items():
            if hmac.compare_digest(given, known):
                owner = name
        if owner is None:
            raise UnauthorizedError("this key is not known here")
        return owner


def new_key(owner: str) -> tuple[str, str]:
    """A fresh key for an owner, and the line for the key file; the key itself is kept nowhere.

    Raises:
        SetupError: not a name that the key file can hold.
    """
    key = secrets.token_urlsafe(32)
    line = f"{owner}:{hash_of(key)}"
    if _LINE.fullmatch(line) is None:
        raise SetupError(f"an owner's name has letters, digits and _.@- only, got {owner!r}")
    return key, line


def hash_of(key: str) -> str:
    """SHA-256 of a key; keys are random and long, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
