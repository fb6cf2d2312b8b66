"""Edits as flags of a command line: `apg edit`, which works on a folder, and `apg edit-job`, which asks a service."""

import argparse
from collections.abc import Mapping

from pydantic import JsonValue

from apg_core.errors import EditError
from apg_core.protocol.edit import Edit, read_edit

_INDICES = {"type": int, "nargs": "+", "metavar": "PART"}

_SAMPLING = ("continue", "resample", "split")


def add_edit_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for each operation, of which one has to be given."""
    group = parser.add_argument_group("what to do", "parts are named by their index, the number of their file")
    one = group.add_mutually_exclusive_group(required=True)
    one.add_argument("--continue", dest="go_on", action="store_true", help="go on: make further parts")
    one.add_argument("--resample", **_INDICES, help="make these parts again")  # type: ignore[arg-type]
    one.add_argument("--pick", type=int, metavar="CANDIDATE", help="put this candidate in the place of its part")
    one.add_argument("--merge", **_INDICES, help="make one part of these")  # type: ignore[arg-type]
    one.add_argument("--split", type=int, metavar="PART", help="divide this part into parts")
    one.add_argument("--remove", **_INDICES, help="without these parts")  # type: ignore[arg-type]
    one.add_argument("--rename", nargs="+", metavar="PART=NAME", help="give parts names")
    one.add_argument("--reorder", **_INDICES, help="list the parts in this order")  # type: ignore[arg-type]
    group.add_argument("--candidates", type=int, metavar="N", help="with --resample of one part: make N to pick from")


def edit_of(given: argparse.Namespace, options: Mapping[str, JsonValue]) -> Edit:
    """The edit that the flags ask for, with these generation options.

    Raises:
        EditError: a flag that its operation does not take, or a value that it does not.
        OptionError: one of the options.
    """
    values: dict[str, JsonValue] = {}
    for operation, field in (
        ("resample", "parts"),
        ("pick", "candidate"),
        ("merge", "parts"),
        ("split", "part"),
        ("remove", "parts"),
        ("reorder", "order"),
    ):
        if (value := getattr(given, operation)) is not None:
            values = {"operation": operation, field: value}
    if given.go_on:
        values = {"operation": "continue"}
    if given.rename is not None:
        values = {"operation": "rename", "names": dict(_name(text) for text in given.rename)}
    if given.candidates is not None:
        values["candidates"] = given.candidates
    if options and values["operation"] not in _SAMPLING:
        raise EditError(f"{values['operation']} takes no generation options; leave out {', '.join(options)}")
    if options:
        values["options"] = dict(options)
    return read_edit(values)


def _name(text: str) -> tuple[str, JsonValue]:
    index, equals, name = text.partition("=")
    if not equals:
        raise EditError(f"names: want PART=NAME, got {text!r}", field="names")
    return index, name
