"""The `apg` command of an installation that has the client alone: submit, edit-job, status, watch, fetch, cancel."""

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence

from apg_core.errors import ApgError, InputError
from clients.cli import FAILED, Run, add_commands

USAGE, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 for success, 1 for a failure, 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="apg", description="Talk to an AutoPartGen service.")
    parser.add_argument("--version", action="version", version=importlib.metadata.version("autopartgen-client"))
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    options = parser.parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except ApgError as error:
        print(f"apg: {error.message}", file=sys.stderr)
        return USAGE if isinstance(error, InputError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
