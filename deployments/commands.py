"""The `apg` commands for whoever runs a service: serve, new-key."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Protocol

import yaml

from apg_core.errors import InputError

OK = 0
# Ray on one machine: listen on the loopback only, ask for no token there, send nothing anywhere.
RAY_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "60",  # 30 is not enough on a busy laptop
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deployments.front:middlewares",  # limits and time-outs of the port
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
    serve.add_argument("--host", help="address to listen on, in place of the config's; beyond this machine with --keys")
    serve.add_argument("--port", type=int, help="port to listen on, in place of the config's")
    serve.add_argument("--keys", type=Path, metavar="FILE", help="file of `apg new-key` lines; nobody else is let in")
    serve.add_argument("--folder", type=Path, help="folder of jobs and artifacts, in place of the config's")
    serve.add_argument("--checkpoints", type=Path, help="folder of fetched weights, in place of the config's")
    serve.set_defaults(run=_serve)
    key = commands.add_parser("new-key", help="make an API key", description="Make a key, and its line for the file.")
    key.add_argument("owner", help="who it is for")
    key.set_defaults(run=_new_key)


def _serve(args: argparse.Namespace) -> int:
    if not args.config.is_file():
        raise InputError(f"there is no config file {args.config}; take serve_config.yaml of this project")
    environment = {**RAY_ENVIRONMENT, **os.environ}
    program = str(Path(sys.executable).with_name("serve"))
    config = _config(args)
    print(f"when it is ready, the studio is at {_address(config)}", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    os.execve(program, [program, "run", str(config)], environment)


def _config(args: argparse.Namespace) -> Path:
    """The config file, or what the flags make of it, which is kept in the folder of jobs and artifacts."""
    http = _given(host=args.host, port=args.port)
    changes = {
        "models": _given(checkpoints=args.checkpoints),
        "stores": _given(folder=args.folder),
        "access": _given(keys_file=args.keys),
    }
    if not http and not any(changes.values()):
        return Path(args.config)
    if args.keys is not None and not args.keys.is_file():
        raise InputError(
            f"there is no key file {args.keys}; `apg new-key OWNER >> {args.keys}` makes one", field="keys"
        )

    from deployments.settings import AppArgs  # it imports the job store

    settings = yaml.safe_load(args.config.read_text())
    settings["http_options"] = settings.get("http_options", {}) | http
    for application in settings["applications"]:  # one for each preset, with the same stores
        arguments = application.setdefault("args", {})
        for name, change in changes.items():
            arguments[name] = arguments.get(name, {}) | change
    folder = AppArgs.model_validate(settings["applications"][0]["args"]).stores.folder
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "serve.yaml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    return config


def _address(config: Path) -> str:
    http = yaml.safe_load(config.read_text()).get("http_options", {})
    host = str(http.get("host", "127.0.0.1"))
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{http.get('port', 8000)}"


def _given(**values: str | int | Path | None) -> dict[str, str | int]:
    plain = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value is not None}


def _new_key(args: argparse.Namespace) -> int:
    from deployments.http.auth import new_key  # it imports the web framework

    key, line = new_key(args.owner)
    print(f"the key of {args.owner}, shown only now: {key}", file=sys.stderr)
    print(line)
    return OK
