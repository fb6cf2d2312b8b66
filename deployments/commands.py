"""The `apg` commands for whoever runs a service: serve, new-key."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Protocol

from apg_core.errors import InputError

OK = 0
# Ray on one machine: listen on the loopback only, ask for no token there, send nothing anywhere.
RAY_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "60",  # 30 is not enough on a busy laptop
    "RAY_worker_niceness": "0",  # Ray's 15 starves the replicas beside anything else that runs
}


class Subparsers(Protocol):
    """What argparse gives to add sub-commands to."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """A new sub-command."""
        ...


def add_commands(commands: Subparsers) -> None:
    """Add the commands of this module to `apg`."""
    serve = commands.add_parser("serve", help="run the service here", description="Run the service on this machine.")
    serve.add_argument("config", nargs="?", type=Path, default=Path("serve_config.yaml"), help="Serve config file")
    serve.set_defaults(run=_serve)
    key = commands.add_parser("new-key", help="make an API key", description="Make a key, and its line for the file.")
    key.add_argument("owner", help="who it is for")
    key.set_defaults(run=_new_key)


def _serve(args: argparse.Namespace) -> int:
    if not args.config.is_file():
        raise InputError(f"there is no config file {args.config}; take serve_config.yaml of this project")
    environment = {**RAY_ENVIRONMENT, **os.environ}
    program = str(Path(sys.executable).with_name("serve"))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    os.execve(program, [program, "run", str(args.config)], environment)


def _new_key(args: argparse.Namespace) -> int:
    from deployments.http.auth import new_key  # it imports the web framework

    key, line = new_key(args.owner)
    print(f"the key of {args.owner}, shown only now: {key}", file=sys.stderr)
    print(line)
    return OK
