"""What checks types and shapes of the library while tests run."""

import typing
from collections.abc import Callable, Iterator
from typing import TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception

Checked = TypeVar("Checked", bound=Callable[..., object])

# A whole number is a float, as mypy has it.
_checker = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Checked) -> Checked:
    """The function with its arguments and result checked; of a protocol, that its members are there."""
    for hint in function.__annotations__.values():
        for protocol in _protocols(hint):
            typing.runtime_checkable(protocol)
    try:
        return _checker(function)
    except BeartypeDecorHintPep673Exception:  # it returns `Self`, which beartype knows in whole classes only
        return function


def _protocols(hint: object) -> Iterator[type]:
    if isinstance(hint, type) and getattr(hint, "_is_protocol", False):
        yield hint
    for part in typing.get_args(hint):
        yield from _protocols(part)
