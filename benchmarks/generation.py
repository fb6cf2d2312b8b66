"""Whole generations, of this tree and of an earlier revision of it, in turn on one core: processor seconds.

Run with `python -m benchmarks.generation REVISION`; both trees run in this environment. `start to end` is the command
`apg generate` with everything that it imports; `warm` the second generation of a process.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.earlier import ROOT, earlier_tree, run_in
from benchmarks.table import Row, as_markdown

REPEATS = 3
CHAIR, TEDDY = ROOT / "examples/mesh/chair/mesh.glb", ROOT / "examples/image/teddy/image.png"
WARM = """
import json, sys, time
from apg_core import generate_from_mesh, load_pipeline
pipeline = load_pipeline("tiny", "cpu")
for _ in range(2):
    begun, started = time.perf_counter(), time.process_time()
    made = generate_from_mesh(pipeline, sys.argv[1], output_dir=sys.argv[2])
print(json.dumps(made.manifest.timings | {"all": time.perf_counter() - begun}))
print(time.process_time() - started)
"""
START_TO_END = "import sys; from apg_core.cli import main; sys.exit(main())"


def rows(before: Path, *, repeats: int) -> list[Row]:
    """The demo's chair and teddy with the default preset: the tree at `before` against this one, medians."""
    measured = []
    subjects: Mapping[str, Callable[[Path], float]] = {
        "the demo's chair (a mesh), start to end": partial(_start_to_end, "--mesh", CHAIR),
        "the same, warm": _warm,
        "the demo's teddy (a picture), start to end": partial(_start_to_end, "--image", TEDDY),
    }
    for name, seconds_of in subjects.items():
        taken: dict[Path, list[float]] = {before: [], ROOT: []}
        for _ in range(repeats):  # in turn, so that a busy moment hits both
            for tree, seconds in taken.items():
                seconds.append(seconds_of(tree))
        earlier, now = (statistics.median(seconds) for seconds in taken.values())
        measured.append(Row(name, None, now, "s", before=earlier))
    return measured


def _start_to_end(flag: str, given: Path, tree: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        run_in(tree, "-c", START_TO_END, "generate", flag, str(given), "--output_path", folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _warm(tree: Path) -> float:
    return float(_told(tree)[-1])


def _told(tree: Path) -> Sequence[str]:
    with tempfile.TemporaryDirectory() as folder:
        return run_in(tree, "-c", WARM, str(CHAIR), folder).splitlines()


def where_it_goes() -> str:
    """Of a warm chair's time, the share of each stage, largest first; files and preview are what the stages leave."""
    seconds: dict[str, float] = json.loads(_told(ROOT)[-2])
    whole = seconds.pop("all")
    seconds["files and preview"] = whole - sum(seconds.values())
    largest = sorted(seconds.items(), key=lambda stage: -stage[1])
    return "of a warm chair: " + ", ".join(f"{name} {time / whole:.0%}" for name, time in largest if time > whole / 100)


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="what to measure beside this tree, such as a tag or HEAD~100")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"generations of each [{REPEATS}]")
    options = parser.parse_args()
    with earlier_tree(options.revision) as before:
        print(as_markdown(rows(before, repeats=options.repeats), before=options.revision))
    print(f"\n{where_it_goes()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
