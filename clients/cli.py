"""The `apg` commands that talk to a service: submit, edit-job, status, watch, fetch, cancel."""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

from apg_core.errors import InputError
from apg_core.protocol.edit_flags import add_edit_flags, edit_of
from apg_core.protocol.job import Event, Job
from apg_core.protocol.mode import INPUTS

if TYPE_CHECKING:
    from clients.http import AutoPartGenClient

Run = Callable[[argparse.Namespace], int]

OK, FAILED = 0, 1
OUTPUT_FLAGS = ("-o", "--output", "--output_path", "--output-path")
DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE, KEY_VARIABLE = "APG_URL", "APG_API_KEY"


class Subparsers(Protocol):
    """What argparse gives to add sub-commands to."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """A new sub-command."""
        ...


def add_commands(commands: Subparsers) -> None:
    """Add the commands of this module to `apg`."""
    submit = _command(commands, "submit", "send a job to a service", _submit)
    _add_inputs(submit)
    submit.add_argument("--preset", help="one of the service's presets; left out, its first")
    submit.add_argument(*OUTPUT_FLAGS, dest="output_path", type=Path, help="wait for it, and fetch its files here")
    edit = _command(commands, "edit-job", "change what a job has made, by a new job", _edit)
    edit.add_argument("job", help="the job's id")
    add_edit_flags(edit)
    edit.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="a generation option")
    edit.add_argument(*OUTPUT_FLAGS, dest="output_path", type=Path, help="wait for it, and fetch its files here")
    for name, about, run in (
        ("status", "look at a job, or list yours", _status),
        ("watch", "follow a job to its end", _watch),
        ("cancel", "stop a job", _cancel),
    ):
        command = _command(commands, name, about, run)
        command.add_argument("job", nargs="?" if name == "status" else None, help="the job's id")
    fetch = _command(commands, "fetch", "fetch a job's files", _fetch)
    fetch.add_argument("job", help="the job's id")
    fetch.add_argument(*OUTPUT_FLAGS, dest="output_path", type=Path, required=True, help="folder for the files")
    fetch.add_argument("--only", action="append", default=[], metavar="NAME", help="this file, and no other")


def _command(commands: Subparsers, name: str, about: str, run: Run) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about.capitalize() + ".")
    parser.add_argument("--url", default=os.environ.get(URL_VARIABLE, DEFAULT_URL), help=f"[${URL_VARIABLE}]")
    parser.add_argument("--api_key", "--api-key", default=os.environ.get(KEY_VARIABLE), help=f"[${KEY_VARIABLE}]")
    parser.set_defaults(run=run)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    for name, kind in INPUTS.items():
        parser.add_argument(f"--{name}", type=Path, help=kind.about)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="a generation option")


def _submit(args: argparse.Namespace) -> int:
    options = dict(_option(text) for text in args.option)
    inputs = {name: getattr(args, name) for name in INPUTS}
    for name, path in inputs.items():
        if path is not None and not path.is_file():
            raise InputError(f"there is no file {path}", field=name)
    with _client(args) as client:
        job = client.submit(**inputs, options=options, preset=args.preset)
        print(job.id, flush=True)
        if args.output_path is None:
            return OK
        return _follow(client, job.id, args.output_path)


def _edit(args: argparse.Namespace) -> int:
    change = edit_of(args, dict(_option(text) for text in args.option))
    with _client(args) as client:
        job = client.edit(args.job, change)
        print(job.id, flush=True)
        if args.output_path is None:
            return OK
        return _follow(client, job.id, args.output_path)


def _status(args: argparse.Namespace) -> int:
    with _client(args) as client:
        jobs = client.jobs(limit=50).jobs if args.job is None else [client.get(args.job)]
    for job in jobs:
        print(_line(job))
    return OK


def _watch(args: argparse.Namespace) -> int:
    with _client(args) as client:
        return _follow(client, args.job, None)


def _cancel(args: argparse.Namespace) -> int:
    with _client(args) as client:
        print(_line(client.cancel(args.job)))
    return OK


def _fetch(args: argparse.Namespace) -> int:
    with _client(args) as client:
        job = client.get(args.job)
        fetched = client.download(job, args.output_path, names=args.only or None)
    for path in fetched:
        print(path)
    missing = set(args.only) - {path.name for path in fetched}
    for name in sorted(missing):
        print(f"apg: job {job.id} ({job.status}) has no {name}", file=sys.stderr)
    return FAILED if missing else OK


def _follow(client: "AutoPartGenClient", job_id: str, folder: Path | None) -> int:
    if importlib.util.find_spec("rich") is None:
        for event in client.events(job_id):
            print(f"{event.progress:4.0%}  {_doing(event)}", file=sys.stderr)
    else:
        _show(client.events(job_id))
    job = client.get(job_id)
    if folder is not None:
        client.download(job, folder)
    print(_line(job))
    return OK if job.status == "succeeded" else FAILED


def _show(events: Iterator[Event]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("queued", total=1.0)
        for event in events:
            progress.update(bar, completed=event.progress, description=_doing(event))
            if event.part is not None:
                progress.console.print(f"{event.part.name}  {event.part.bytes:,} bytes")


def _doing(event: Event) -> str:
    of = "" if event.parts_total is None else f" of {event.parts_total}"
    return f"{event.stage or event.type}, {event.parts_done}{of} {_parts(event.parts_total or event.parts_done)}"


def _line(job: Job) -> str:
    why = job.error.detail if job.error is not None else job.stop_reason or ""
    parts = f"{job.parts_done} {_parts(job.parts_done)}"
    return f"{job.id}  {job.status:9}  {job.progress:4.0%}  {parts:8}  {job.mode}  {why}".rstrip()


def _parts(count: int) -> str:
    return "part" if count == 1 else "parts"


def _option(text: str) -> tuple[str, JsonValue]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"an option is NAME=VALUE, got {text!r}", field="option")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _client(args: argparse.Namespace) -> "AutoPartGenClient":
    from clients.http import AutoPartGenClient

    return AutoPartGenClient(args.url, args.api_key)
