"""The service: overhead of its interface, jobs that share steps against jobs one after the other, cancel, memory.

Run with `python -m benchmarks.service [--preset tiny] [--json FILE]` on an idle machine; it starts a service of its
own and stops it.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil
import yaml

from apg_core.protocol.job import Job
from clients import AutoPartGenClient

START_SECONDS = 300.0
CALLS = 100
TOGETHER = (1, 2, 4, 8)
PICTURE = Path("examples/image/teddy/image.png")
MEMORY_JOBS, MEMORY_WARM = 100, 10
# Denoising is what jobs share: a fine grid or a preview would measure something else.
SMALL: dict[str, object] = {
    "best_of": 1,
    "fit_to_mesh": False,
    "fit_to_outline": False,
    "grid_size": 32,
    "preview": False,
}
JOB_STEPS = 50
SHARED = SMALL | {"max_parts": 3, "num_inference_steps": JOB_STEPS, "duplicate_retries": 0}
QUICK = SMALL | {"max_parts": 1, "num_inference_steps": 2}


@dataclass(frozen=True)
class Measured:
    """Everything that was measured; seconds and bytes."""

    empty_ready: float
    """Of as many replicas that do nothing: what Ray takes by itself."""
    empty_memory: float
    """Theirs in MiB."""
    ready: float
    """From the command to the first answer that says ready."""
    plain: list[float]
    """A GET that asks nothing of anybody, through the same proxy: the floor of the next two."""
    submit: list[float]
    status: list[float]
    alone: list[float]
    """Of the same jobs as below, one after the other."""
    together: dict[int, float]
    first_part: list[float]
    """From submission, with the preset's defaults."""
    step: float
    cancel: list[float]
    memory_warm: dict[str, int]
    """Memory of each deployment's replicas (PSS: what is shared counts in part for each who has it)."""
    memory_end: dict[str, int]
    with_torch: list[str]
    """Deployments of which a replica has loaded torch."""


@contextmanager
def running_service(preset: str) -> Iterator[tuple[str, psutil.Process, Path]]:
    """Address, main process and stores' folder of a service that runs while this is open."""
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = unused_port()
        settings = yaml.safe_load(Path("serve_config.yaml").read_text())
        settings["http_options"]["port"] = port
        settings["applications"][0]["args"]["models"]["preset"] = preset
        settings["applications"][0]["args"]["stores"]["folder"] = str(folder / "state")
        (folder / "serve.yaml").write_text(yaml.safe_dump(settings))
        with (folder / "log").open("wb") as log:
            command = [str(Path(sys.executable).with_name("apg")), "serve", str(folder / "serve.yaml")]
            environment = {**os.environ, "RAY_TMPDIR": name}
            process = psutil.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            _await_ready(f"http://127.0.0.1:{port}", process, folder / "log")
            yield f"http://127.0.0.1:{port}", process, folder / "state"
        finally:
            with suppress(psutil.NoSuchProcess):
                family = [process, *process.children(recursive=True)]
                process.send_signal(signal.SIGINT)
                _, left = psutil.wait_procs(family, timeout=60)
                for one in left:
                    one.kill()


def unused_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def measure(preset: str) -> Measured:
    """Measure everything against a fresh service, and what a service of nothing costs."""
    empty = subprocess.run(
        [sys.executable, "-m", "benchmarks.empty_service"], capture_output=True, text=True, check=True
    ).stdout.split()
    started = time.perf_counter()
    with running_service(preset) as (url, process, _), AutoPartGenClient(url) as client:
        ready = time.perf_counter() - started
        _run(client, SHARED, seed=0)  # whatever is done once is done now
        alone = [_timed(partial(_run, client, SHARED, seed=seed)) for seed in range(max(TOGETHER))]
        together = {count: _timed(partial(_run_together, url, count)) for count in TOGETHER}
        first_part = [_reached(client, {})["accepted"] for _ in range(3)]
        long = _reached(client, {**SHARED, "max_parts": 1})
        step = (long["mesh"] - long["part"]) / JOB_STEPS
        cancel = [_cancel(client, seed) for seed in range(5)]
        plain, submit, status = _overhead(url, client)
        for seed in range(MEMORY_WARM):
            _run(client, QUICK, seed=seed)
        memory_warm = memory_of(process)
        for seed in range(MEMORY_WARM, MEMORY_JOBS):
            _run(client, QUICK, seed=seed)
        return Measured(
            empty_ready=float(empty[-2]),
            empty_memory=float(empty[-1]),
            ready=ready,
            plain=plain,
            submit=submit,
            status=status,
            alone=alone,
            together=together,
            first_part=first_part,
            step=step,
            cancel=cancel,
            memory_warm=memory_warm,
            memory_end=memory_of(process),
            with_torch=sorted({name for name, one in replicas(process) if loads_torch(one)}),
        )


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--preset", default="tiny", help="preset to serve [tiny]")
    parser.add_argument("--json", type=Path, help="also write all that was measured to this file")
    args = parser.parse_args()
    measured = measure(args.preset)
    if args.json:
        args.json.write_text(json.dumps(asdict(measured), indent=1), encoding="utf-8")
    lines = [
        ("replicas of nothing, start to ready", f"{measured.empty_ready:.1f} s, {measured.empty_memory:.0f} MiB", ""),
        ("start to ready", f"{measured.ready:.1f} s", "15 s"),
        ("a plain GET, p50 / p95", f"{_ms(measured.plain, 50)} / {_ms(measured.plain, 95)} ms", ""),
        ("submit, p50 / p95", f"{_ms(measured.submit, 50)} / {_ms(measured.submit, 95)} ms", "10 / 30 ms"),
        ("status, p50 / p95", f"{_ms(measured.status, 50)} / {_ms(measured.status, 95)} ms", "5 / 15 ms"),
    ]
    for count, seconds in measured.together.items():
        serial = sum(measured.alone[:count])
        gain = f"{seconds:.2f} s, serial {serial:.2f} s: {serial / seconds:.2f} x"
        lines.append((f"{count} jobs together", gain, "1.6 x" if count == max(TOGETHER) else ""))
    warm, end = measured.memory_warm, measured.memory_end
    growth = {name: end[name] - warm[name] for name in warm}
    most = max(growth, key=lambda name: growth[name])
    lines += [
        ("time to first part, median of 3", f"{statistics.median(measured.first_part):.2f} s", "2 s"),
        ("cancel, worst of 5", f"{max(measured.cancel):.2f} s", f"one step + 0.5 s = {measured.step + 0.5:.2f} s"),
        (f"memory of the replicas after {MEMORY_WARM} jobs", f"{sum(warm.values()) / 2**20:.0f} MiB", "2000 MiB"),
        *((f"- {name}", f"{size / 2**20:.0f} MiB", "") for name, size in sorted(warm.items())),
        ("replicas that have torch", ", ".join(measured.with_torch), ""),
        (
            f"growth to {MEMORY_JOBS} jobs",
            f"{sum(growth.values()) / 2**20:+.0f} MiB, {most} {growth[most] / 2**20:+.0f} MiB",
            "none",
        ),
    ]
    print(f"preset {args.preset}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    print("| what | measured | aim |\n|---|---|---|")
    for line in lines:
        print(f"| {' | '.join(line)} |")
    return 0


def _run(client: AutoPartGenClient, options: dict[str, object], *, seed: int) -> Job:
    job = client.submit(image=PICTURE, options={**options, "seed": seed})  # type: ignore[dict-item]
    return client.wait(job.id).result()


def _run_together(url: str, count: int) -> None:
    def one(seed: int) -> None:
        with AutoPartGenClient(url) as client:
            _run(client, SHARED, seed=seed)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


def _reached(client: AutoPartGenClient, options: dict[str, object]) -> dict[str | None, float]:
    """Seconds from submission to each stage, and to the first part (`accepted`), of a job with these options."""
    started = time.perf_counter()
    job = client.submit(image=PICTURE, options=options)  # type: ignore[arg-type]
    reached: dict[str | None, float] = {}
    for event in client.events(job.id):
        now = time.perf_counter() - started
        reached.setdefault(event.stage, now)
        if event.part is not None:
            reached.setdefault("accepted", now)
    return reached


def _cancel(client: AutoPartGenClient, seed: int) -> float:
    """Seconds from the call to the job's end, in the middle of sampling a part."""
    options = {**SHARED, "num_inference_steps": 200, "seed": seed}
    job = client.submit(image=PICTURE, options=options)  # type: ignore[arg-type]
    asked = 0.0
    for event in client.events(job.id):
        if event.stage == "part" and not asked:
            asked = time.perf_counter()
            client.cancel(job.id)
    return time.perf_counter() - asked


def _overhead(url: str, client: AutoPartGenClient) -> tuple[list[float], list[float], list[float]]:
    plain, submit, status = [], [], []
    picture = PICTURE.read_bytes()
    with httpx.Client(base_url=url, timeout=60) as http:
        for _ in range(CALLS):
            started = time.perf_counter()
            http.get("/health/live")
            plain.append(time.perf_counter() - started)
            started = time.perf_counter()
            answer = http.post("/v1/jobs", files={"image": ("a.png", picture)})
            submit.append(time.perf_counter() - started)
            here = answer.json()["links"]["self"]
            started = time.perf_counter()
            http.get(here)
            status.append(time.perf_counter() - started)
            client.delete(answer.json()["id"])
    return plain, submit, status


def replicas(process: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    """Each replica of a service, by the name of its deployment."""
    for one in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            named = re.search(r"replica:+autopartgen[:#](\w+)", " ".join(one.cmdline()), re.IGNORECASE)
            if named:
                yield named[1], one


def loads_torch(process: psutil.Process) -> bool:
    """Whether a process has loaded torch's library."""
    return "libtorch" in Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8", errors="replace")


def memory_of(process: psutil.Process, *, private: bool = False) -> dict[str, int]:
    """Memory of each deployment's replicas: PSS, or what is `private`, in which one's growth is its own (USS)."""
    total: dict[str, int] = {}
    for name, one in replicas(process):
        with suppress(psutil.NoSuchProcess):
            memory = one.memory_full_info()
            total[name] = total.get(name, 0) + (memory.uss if private else memory.pss)
    return total


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ms(seconds: list[float], percentile: int) -> str:
    return f"{1000 * statistics.quantiles(seconds, n=100)[percentile - 1]:.0f}"


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    sys.exit(f"the service did not start:\n{log.read_text()[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
