"""A soak: many jobs while a process of the service is killed every few seconds; nothing may be lost, doubled or left.

    python -m benchmarks.soak                            2,000 jobs, 30 minutes of kills
    python -m benchmarks.soak --jobs 40 --minutes 2      a short one

It starts a service of its own, with the `nano` preset. Afterwards every job must have succeeded once, with the parts
that it told of and no others; memory of each replica must not have grown by more than 3 % from one round of quiet jobs
to the next; and when all jobs have been deleted, no file may be left. Exit code 1 says that one of these is not so.
"""

import argparse
import random
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from pydantic import JsonValue

from apg_core.errors import ApgError
from apg_core.protocol.job import Job
from benchmarks.service import replicas, running_service
from clients import AutoPartGenClient

PICTURE = Path("examples/image/teddy/image.png")
OPTIONS: dict[str, JsonValue] = {
    "num_inference_steps": 12,
    "best_of": 1,
    "max_parts": 2,
    "grid_size": 32,
    "preview": False,
}
PARTS = 2
KINDS = ("Ingress", "Orchestrator", "BackgroundRemover", "ImageEncoder", "PartSampler", "ShapeCodec", "MeshWorker")
CALLERS = 8
END_SECONDS = 3600.0
QUIET_JOBS = 20
MOST_GROWTH = 0.03
_FIELD = "json_extract(body, '$.{}')"
_PART, _ENDED = f"{_FIELD.format('type')} = 'part'", f"{_FIELD.format('type')} IN ('succeeded', 'failed', 'cancelled')"


@dataclass
class Tally:
    """What a soak came to."""

    killed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    """Run one, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="[2000]")
    parser.add_argument("--minutes", type=float, default=30, help="of kills, if the jobs take as long [30]")
    parser.add_argument("--every", type=float, default=5, help="seconds between kills [5]")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed [0]")
    args = parser.parse_args()
    tally, begun = Tally(), time.monotonic()
    with running_service("nano") as (url, process, state):
        with killing(process, tally, every=args.every, seconds=60 * args.minutes, seed=args.seed):
            jobs = run(url, args.jobs, lambda: time.monotonic() - begun < 60 * args.minutes, tally.wrong)
        seconds = time.monotonic() - begun
        tally.wrong += wrong_jobs(jobs)
        growth = memory_growth(url, process)
        tally.wrong += [f"{name} grew by {share:+.1%}" for name, share in growth.items() if share > MOST_GROWTH]
        tally.wrong += doubled(state)
        tally.wrong += leftovers(url, state)
    resumed = sum(job.attempt > 1 for job in jobs)
    print(f"{len(jobs)} jobs in {seconds / 60:.1f} minutes, {resumed} of them taken up again")
    print("killed: " + (", ".join(f"{count} {kind}" for kind, count in sorted(tally.killed.items())) or "nothing"))
    print("memory, from one quiet round to the next: " + ", ".join(f"{kind} {of:+.1%}" for kind, of in growth.items()))
    for one in tally.wrong:
        print(f"WRONG: {one}")
    print("nothing lost, nothing doubled, nothing left" if not tally.wrong else f"{len(tally.wrong)} things are wrong")
    return 1 if tally.wrong else 0


def run(url: str, count: int, kills_go_on: Callable[[], bool], wrong: list[str]) -> list[Job]:
    """So many jobs, a few at a time, and more while the kills go on; each as it ended. `wrong` gets what did not."""
    numbers = iter(range(sys.maxsize))
    lock = threading.Lock()
    ended: list[Job] = []

    def call() -> None:
        with AutoPartGenClient(url, retries=60) as client:
            while True:
                with lock:
                    number = next(numbers)
                if number >= count and not kills_go_on():
                    return
                try:
                    job = client.submit(
                        image=PICTURE, options={**OPTIONS, "seed": number}, idempotency_key=f"soak-{number}"
                    )
                    ended.append(client.wait(job.id, timeout=END_SECONDS))
                except ApgError as error:
                    wrong.append(f"submission {number} is lost: {error.message}")

    with ThreadPoolExecutor(CALLERS) as callers:
        for done in [callers.submit(call) for _ in range(CALLERS)]:
            done.result()
    return ended


def wrong_jobs(jobs: Sequence[Job]) -> Iterator[str]:
    """What is lost, or doubled."""
    for job in jobs:
        meshes = sorted(one.name for one in job.artifacts if one.name.startswith("mesh_0"))
        if job.status != "succeeded":
            yield f"job {job.id} is {job.status}: {job.error.detail if job.error else job.stop_reason}"
        elif meshes != [f"mesh_{part:03}.glb" for part in range(PARTS)] or job.parts_done != PARTS:
            yield f"job {job.id} has {meshes} and tells of {job.parts_done}"
    for one, times in Counter(job.id for job in jobs).items():
        if times > 1:
            yield f"job {one} is that of {times} submissions"


def memory_growth(url: str, process: psutil.Process) -> dict[str, float]:
    """By what share each replica's own memory grows over a round of jobs without kills, after two of them."""
    rounds = []
    for _ in range(3):
        run_quietly(url)
        rounds.append({f"{name} {one.pid}": one.memory_full_info().uss for name, one in replicas(process)})
    *_, before, after = rounds
    return {name: after[name] / before[name] - 1 for name in sorted(before) if name in after}


def run_quietly(url: str) -> None:
    """A round of jobs that nothing disturbs."""
    with AutoPartGenClient(url, retries=60) as client, ThreadPoolExecutor(CALLERS) as callers:

        def one(seed: int) -> None:
            client.wait(client.submit(image=PICTURE, options={**OPTIONS, "seed": seed}).id, timeout=END_SECONDS)

        list(callers.map(one, range(QUIET_JOBS)))


def doubled(state: Path) -> Iterator[str]:
    """Parts and ends that a job has told of twice."""
    with sqlite3.connect(state / "jobs.db") as store:
        told = Counter(store.execute(f"SELECT job_id, {_FIELD.format('part.name')} FROM events WHERE {_PART}"))
        ends = Counter(job for (job,) in store.execute(f"SELECT job_id FROM events WHERE {_ENDED}"))
    yield from (f"job {job} told of {part} {times} times" for (job, part), times in told.items() if times != 1)
    yield from (f"job {job} ended {times} times" for job, times in ends.items() if times != 1)


def leftovers(url: str, state: Path) -> Iterator[str]:
    """Files that are there when all jobs have been deleted."""
    with AutoPartGenClient(url, retries=60) as client:
        while jobs := client.jobs(limit=100).jobs:
            for job in jobs:
                client.delete(job.id)
    for path in sorted(path for path in (state / "artifacts").rglob("*") if path.is_file()):
        yield f"{path.relative_to(state)} is left"


@contextmanager
def killing(process: psutil.Process, tally: Tally, *, every: float, seconds: float, seed: int) -> Iterator[None]:
    """While this is open, and for so long at most: SIGKILL for a replica of some kind, every few seconds."""
    over = threading.Event()
    thread = threading.Thread(target=partial(_kill, process, tally, over, every, seconds, random.Random(seed)))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _kill(
    process: psutil.Process, tally: Tally, over: threading.Event, every: float, seconds: float, choice: random.Random
) -> None:
    until = time.monotonic() + seconds
    kinds: list[str] = []
    while not over.wait(every) and time.monotonic() < until:
        kinds = kinds or choice.sample(KINDS, len(KINDS))  # each kind once, in some order, and again
        kind = kinds.pop()
        if found := [one for one in process.children(recursive=True) if _is_replica(one, kind)]:
            with suppress(psutil.NoSuchProcess):
                choice.choice(found).kill()
                tally.killed[kind] += 1


def _is_replica(process: psutil.Process, kind: str) -> bool:
    with suppress(psutil.Error):
        return f"autopartgen:{kind}" in " ".join(process.cmdline())
    return False


if __name__ == "__main__":
    sys.exit(main())
