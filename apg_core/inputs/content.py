"""The bytes of an input, fetched within the limits."""

from pathlib import Path

from apg_core.errors import InputError
from apg_core.protocol.limits import InputLimits, check_limit


def read_bytes(source: Path | bytes, limits: InputLimits, *, field: str, refusal: type[InputError]) -> bytes:
    """The whole content of a file, or the bytes themselves, once the size is known to be allowed.

    Raises:
        LimitError: larger than `upload_bytes`.
        InputError: of type `refusal`; empty, or a path that cannot be read.
    """
    if isinstance(source, Path):
        try:
            check_limit(f"bytes of the {field} file", source.stat().st_size, limits.upload_bytes, field=field)
            data = source.read_bytes()
        except OSError as error:
            raise refusal(f"cannot read {source}: {error.strerror or error}", field=field) from error
    else:
        data = source
    check_limit(f"bytes of the {field} file", len(data), limits.upload_bytes, field=field)
    if not data:
        raise refusal(f"the {field} file is empty (0 bytes); send the file's content", field=field)
    return data
