"""Memory of a batch job when there is ten times as much to do: `python -m benchmarks.batch [--inputs N]`.

Two batches run one after the other, each with a Ray of its own. The pictures are large (24 MB each once decoded), so
that a batch which held them all would show it: ten times the inputs are more than Ray's object store is given here.
Memory is what `/proc` says of the driver, of Ray and of all workers: private pages, and the object store's once.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
from PIL import Image

WIDTH, HEIGHT = 3000, 2000
OBJECT_STORE_BYTES = 256 * 2**20
LOOK_SECONDS = 1.0
NANO = ["--preset", "nano", "--num_inference_steps", "2", "--max_parts", "1", "--no_preview"]
MIB = 2**20


@dataclass(frozen=True)
class Memory:
    """Bytes at one moment."""

    private: int
    store: int
    """Pages of the object store that some process has touched."""
    spilled: int
    """What Ray has moved from its store to the disk."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.private + self.store + self.spilled


@dataclass(frozen=True)
class Peaks:
    """The largest of each while a batch ran."""

    seconds: float
    total: int
    private: int
    store: int
    spilled: int

    @classmethod
    def of(cls, seconds: float, seen: Sequence[Memory]) -> "Peaks":
        """The largest of these moments."""
        return cls(
            seconds,
            total=max(one.total for one in seen),
            private=max(one.private for one in seen),
            store=max(one.store for one in seen),
            spilled=max(one.spilled for one in seen),
        )


def measure(inputs: int) -> Peaks:
    """Run a batch over this many pictures and watch it."""
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as name, _pictures(inputs) as source:
        folder = Path(name)
        environment = {
            **os.environ,
            "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(OBJECT_STORE_BYTES),
            "RAY_TMPDIR": name,
        }
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, "-m", "cluster.batch", str(source), str(folder / "out"), *NANO]
        started = time.monotonic()
        seen = []
        with (folder / "log").open("wb") as log:
            batch = psutil.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            while batch.poll() is None:
                seen.append(_memory(batch, folder / "ray"))
                time.sleep(LOOK_SECONDS)
        if batch.returncode != 0:
            sys.exit(f"the batch ended with {batch.returncode}:\n{(folder / 'log').read_text()[-3000:]}")
        assert pq.read_table(folder / "out" / "results.parquet").num_rows == inputs
        return Peaks.of(time.monotonic() - started, seen)


@contextmanager
def _pictures(count: int) -> Iterator[Path]:
    """A folder of pictures: a noisy block on transparent ground, under many names."""
    with tempfile.TemporaryDirectory(prefix="apg") as name:
        pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        block = (slice(HEIGHT // 4, -HEIGHT // 4), slice(WIDTH // 4, -WIDTH // 4))
        pixels[block] = np.random.default_rng(0).integers(0, 256, pixels[block].shape)
        pixels[(*block, 3)] = 255
        first = Path(name) / "picture-0.png"
        Image.fromarray(pixels).save(first, compress_level=1)
        for number in range(1, count):
            first.with_name(f"picture-{number}.png").hardlink_to(first)
        yield Path(name)


def _memory(batch: psutil.Process, ray_folder: Path) -> Memory:
    private = store = 0
    for process in [batch, *batch.children(recursive=True)]:
        try:
            pages = _pages(process.pid)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        private += pages["Pss"] - pages["Pss_Shmem"]
        store += pages["Pss_Shmem"]
    return Memory(private, store, sum(_size(path) for path in ray_folder.glob("session_2*/ray_spilled*/*")))


def _pages(pid: int) -> dict[str, int]:
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    return {name.rstrip(":"): 1024 * int(kilobytes) for name, kilobytes, _ in lines}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description="Memory of a batch.")
    parser.add_argument("--inputs", type=int, default=12, metavar="N", help="of the smaller batch [12]")
    inputs = parser.parse_args().inputs
    decoded = WIDTH * HEIGHT * 4
    print(f"object store {OBJECT_STORE_BYTES // MIB} MiB, pictures of {decoded / MIB:.0f} MiB; peaks in MiB\n")
    print("| inputs | decoded | all memory | processes | object store | spilled | seconds |\n" + "| ---: " * 7 + "|")
    found = []
    for count in (inputs, 10 * inputs):
        peaks = measure(count)
        sizes = (count * decoded, peaks.total, peaks.private, peaks.store, peaks.spilled)
        line = " | ".join(f"{size / MIB:,.0f}" for size in sizes)
        print(f"| {count} | {line} | {peaks.seconds:.0f} |", flush=True)
        found.append(peaks.total)
    print(f"\n10 times the inputs take {found[1] / found[0]:.2f} times the memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
