"""What an earlier revision and this tree make of the same objects with the default preset: how good, in what time.

Run with `python -m benchmarks.quality REVISION`: meshes of procedural objects, fused, half of them of families that
training kept out; `--mode image` gives their pictures instead. Both trees take each object in turn, with one thread;
both are scored by this tree. A difference comes with its 95 % interval over objects.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apg_core.protocol.arrays import Image
from apg_core.protocol.mesh import TriangleMesh
from benchmarks.earlier import ROOT, earlier_tree, start_in
from training.cases import Case
from training.evaluate import BY_ITSELF, find_cases, interval, prompt_of
from training.scores import Scores, score

SPLITS = ("test", "kept_out")
MODES = ("mesh", "image")
WORKER = """
import sys, time
import numpy as np
from apg_core import GenerationOptions, generate_parts, load_pipeline
from apg_core.protocol.mesh import TriangleMesh
pipeline, options = load_pipeline("tiny", "cpu"), GenerationOptions(show_progress=False, preview=False)
for line in sys.stdin:
    with np.load(line.strip()) as given:
        prompt = {"image": given["image"]} if "image" in given else {"mesh": TriangleMesh(given["v"], given["f"])}
    started = time.process_time()
    generation = generate_parts(pipeline, **prompt, options=options)
    seconds = time.process_time() - started
    found = {}
    for i, part in enumerate(generation.parts):
        found |= {f"v{i}": part.mesh.vertices, f"f{i}": part.mesh.faces}
    np.savez(line.strip(), seconds=seconds, stop=str(generation.manifest.stop_reason), **found)
    print("done", flush=True)
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one tree made of one object."""

    scores: Scores
    ended: bool
    seconds: float


MEASURES: Mapping[str, Callable[[Outcome], float]] = {
    "part IoU": lambda one: one.scores.part_iou,
    "count-aware IoU": lambda one: one.scores.count_aware_iou,
    "whole IoU": lambda one: one.scores.whole_iou,
    "count exact": lambda one: one.scores.count_error == 0,
    "parts found": lambda one: one.scores.parts_found,
    "some part": lambda one: one.scores.parts_found > 0,
    "ended by itself": lambda one: one.ended,
    "processor seconds": lambda one: one.seconds,
}


class Worker:
    """A process of one tree, that generates the parts of one object after the other."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.process = start_in(tree, "-c", WORKER)
        self.folder = folder

    def __call__(self, case: Case, given: TriangleMesh | Image) -> Outcome:
        """What it makes of a case's mesh or picture, scored."""
        path = self.folder / "object.npz"
        if isinstance(given, TriangleMesh):
            np.savez(path, v=given.vertices, f=given.faces)
        else:
            np.savez(path, image=given)
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise RuntimeError(f"{case.name} ended the process with exit code {self.process.wait()}")
        with np.load(path) as found:
            meshes = [TriangleMesh(found[f"v{i}"], found[f"f{i}"]) for i in range((len(found.files) - 2) // 2)]
            return Outcome(
                scores=score(case.parts, meshes),
                ended=str(found["stop"]) in BY_ITSELF,
                seconds=float(found["seconds"]),
            )

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def as_markdown(before: Sequence[Outcome], now: Sequence[Outcome], revision: str) -> str:
    """Means over objects, and how they differ object by object."""
    lines = [f"| {len(now)} objects | {revision} | this tree | difference (95 %) |", "|---|---|---|---|"]
    for name, value in MEASURES.items():
        earlier, later = (np.array([float(value(one)) for one in outcomes]) for outcomes in (before, now))
        low, high = interval((later - earlier).tolist())
        figures = (
            f"{earlier.mean():.3f} | {later.mean():.3f} | {(later - earlier).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        )
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def main() -> int:
    """Generate with both, print a table for each kind of object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", help="what to set beside this tree, such as a tag or HEAD~100")
    parser.add_argument("--count", type=int, default=50, help="objects of each kind [50]")
    parser.add_argument("--mode", choices=MODES, default="mesh", help="what is given [mesh]")
    options = parser.parse_args()
    with earlier_tree(options.revision) as tree, tempfile.TemporaryDirectory() as folder:
        workers = [Worker(tree, Path(folder)), Worker(ROOT, Path(folder))]
        try:
            for split in SPLITS:
                cases = find_cases(split, options.count, fused=True)
                pairs = []
                for place, case in enumerate(cases, 1):
                    given = prompt_of(case, options.mode)[options.mode]
                    pairs.append([worker(case, given) for worker in workers])
                    print(f"{split}: {place} of {len(cases)}", file=sys.stderr, flush=True)
                before, now = zip(*pairs, strict=True)
                print(f"\n{split}, {options.mode}\n\n{as_markdown(before, now, options.revision)}", flush=True)
        finally:
            for worker in workers:
                worker.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
