"""The demo: starts the service, sends it the example inputs through the HTTP client, saves what comes back, stops it.

Run by `make demo`; everything it leaves is under `outputs/demo`.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from apg_core.protocol.job import Event
from clients.http import AutoPartGenClient

ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = Path("examples")
OUTPUT = Path("outputs/demo")
START_SECONDS, STOP_SECONDS = 300, 60
# One machine, no token, nothing sent home, no port that other machines can reach.
RAY_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # at Ray's default of 15 other work on this machine would starve the replicas
}


def main() -> int:
    """Send every example; 0 if all of them gave parts."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    empty = []
    with service(OUTPUT / "service.log"), AutoPartGenClient(ADDRESS) as client:
        for folder in sorted(path for path in EXAMPLES.glob("*/*") if path.is_dir()):
            image, mesh, mask = (next(folder.glob(f"{kind}.*"), None) for kind in ("image", "mesh", "mask"))
            say(f"\n{folder.name}: {', '.join(path.name for path in (image, mesh, mask) if path)}")
            job = client.generate(image=image, mesh=mesh, mask=mask, output_dir=OUTPUT / folder.name, on_event=tell)
            say(f"  {job.parts_done} parts ({job.stop_reason}) in {OUTPUT / folder.name}")
            if not job.parts_done:
                empty.append(folder.name)
    say(
        f"\nEach folder has the parts, mesh_combined.glb, manifest.json and preview.png. Look at {OUTPUT}/*/preview.png"
    )
    if empty:
        say(f"no parts for: {', '.join(empty)}")
    return 1 if empty else 0


@contextmanager
def service(log: Path) -> Iterator[None]:
    """`serve run serve_config.yaml`, ready for requests; stopped as Ctrl-C would stop it."""
    say("starting the service: serve run serve_config.yaml")
    say(f"while it runs, the studio is at {ADDRESS}; later, `apg serve` brings it back")
    with tempfile.TemporaryDirectory(prefix="ray") as scratch, log.open("wb") as output:
        process = subprocess.Popen(
            ["serve", "run", "serve_config.yaml"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **RAY_ENVIRONMENT, "RAY_TMPDIR": scratch},
            # A shell's background job ignores SIGINT, and so would the service: it must hear it to stop cleanly.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        try:
            await_ready(process, log)
            yield
        finally:
            say("stopping the service")
            process.send_signal(signal.SIGINT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once every model has run; exit with the log's end if that does not happen in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{ADDRESS}/health/ready", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    tail = log.read_text(errors="replace")[-3000:]
    sys.exit(f"the service did not become ready; the end of {log}:\n{tail}")


def tell(event: Event) -> None:
    """One line a part."""
    if event.part is not None:
        say(f"  {event.part.name}")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
