"""Times of the stages by themselves, and what each of the service benchmark's jobs has to do; for the model's check.

    python -m benchmarks.stages FILE            writes them as JSON

Seconds are those of one core (processor time), so that other work on the machine does not count.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self, TypeVar

import torch

from apg_core.diffusion.trajectories import TrajectoryBatch
from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import Surface
from apg_core.pipeline.local import generate_parts
from apg_core.pipeline.local_stages import LocalStages, Pipeline, load_pipeline
from apg_core.pipeline.stages import CleanedPart, LatentRequest, OnStep, PreparedImages
from apg_core.protocol.arrays import FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, GenerationOptions
from benchmarks.graph import Mode, StageTimes, Work
from benchmarks.service import JOB_STEPS, PICTURE, SHARED

# A call of a deployment with arrays of a few hundred KB, and a transaction of SQLite.
CALL_SECONDS, STORE_SECONDS = 0.008, 0.003
FEW, MANY = 1, 8  # trajectories that share a step
STEPS = 20

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class MeasuredStages:
    """What the model needs to know of this machine and of the benchmark's jobs."""

    cores: int
    steps: int
    """Of a trajectory."""
    times: StageTimes
    works: Sequence[Work]

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        works = [Work(**{**work, "mode": Mode(**work["mode"])}) for work in values["works"]]
        return cls(**{**values, "times": StageTimes(**values["times"]), "works": works})

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


@dataclass
class _Clock:
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str, work: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = work()
        self.seconds[name] += time.process_time() - started
        self.calls[name] += 1
        return result

    def mean(self, name: str) -> float:
        return self.seconds[name] / self.calls[name]


@dataclass(frozen=True, eq=False)
class _TimedStages(LocalStages):
    """The stages in this process, each on the clock."""

    clock: _Clock
    requests: list[LatentRequest] = field(default_factory=list)

    async def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        return self.clock(
            "background", lambda: self.images.prepare(image, mask, labels, remove_background=remove_background)
        )

    async def encode_images(self, images: Sequence[RgbImage]) -> Sequence[FeatureArray]:
        return self.clock("features", lambda: self.features.extract(images))

    async def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        return self.clock("surface", lambda: self.meshes.sample_surface(mesh, seed))

    async def encode_surface(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        return self.clock("encode", lambda: self.codec.encode(surface, posterior_seed=posterior_seed))

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        self.requests.extend(requests)
        return self.clock("sample", lambda: self.sampler.sample_together(requests, on_step=on_step))

    async def find_extent(self, whole: LatentArray, mesh: TriangleMesh | None) -> Extent:
        return self.clock("extent", lambda: self.codec.extent(whole) if mesh is None else self.meshes.extent(mesh))

    async def measure_agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> Sequence[float]:
        return self.clock("agreement", lambda: self.codec.agreement(latents, within))

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        band = self.clock("decode", lambda: self.codec.decode(latent, options, within))
        return self.clock("extract", lambda: self.meshes.extract(band, options))

    async def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        return self.clock("overlap", lambda: self.meshes.overlap(mesh, accepted))

    async def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        return self.clock("cleanup", lambda: self.meshes.clean(mesh, options, grid_size))


def measure(preset: str = "tiny", *, jobs: int = 8) -> MeasuredStages:
    """Run the service benchmark's jobs in this process, one after the other, and time their stages."""
    torch.set_num_threads(1)
    pipeline = load_pipeline(preset, "cpu")
    _jobs(pipeline, 1)  # whatever is done once is done now
    clock, requests, works = _jobs(pipeline, jobs)
    step, row = _step_times(pipeline, next(request for request in requests if request.geometry is not None))
    stages = ("background", "features", "encode", "decode", "surface", "extract", "overlap", "cleanup", "package")
    times = StageTimes(
        step=step, row=row, call=CALL_SECONDS, store=STORE_SECONDS, **{name: clock.mean(name) for name in stages}
    )
    return MeasuredStages(cores=os.cpu_count() or 1, steps=JOB_STEPS, times=times, works=works)


def _jobs(pipeline: Pipeline, count: int) -> tuple[_Clock, list[LatentRequest], list[Work]]:
    clock = _Clock()
    stages = _TimedStages(**vars(pipeline.stages), clock=clock)
    timed = replace(pipeline, stages=stages)
    works = []
    for seed in range(count):
        options = GenerationOptions(**{**SHARED, "seed": seed, "show_progress": False})  # type: ignore[arg-type]
        before, in_stages = clock.calls.copy(), sum(clock.seconds.values())
        started = time.process_time()
        made = generate_parts(timed, image=PICTURE, options=options)
        seconds = time.process_time() - started
        clock.seconds["package"] += seconds - (sum(clock.seconds.values()) - in_stages)
        clock.calls["package"] += 1
        done = clock.calls - before
        works.append(
            Work(
                mode=Mode("image", True, True, 2),
                parts=len(made.parts),
                decoded=done["decode"],
                sampled=done["sample"] - 1,  # one is the whole's
            )
        )
    return clock, stages.requests, works


def _step_times(pipeline: Pipeline, request: LatentRequest) -> tuple[float, float]:
    """Seconds of a step whatever its rows, and of each row."""
    sampler = pipeline.stages.sampler
    rows, seconds = [], []
    for count in (FEW, MANY):
        batch = TrajectoryBatch(sampler.company)
        trajectories = [sampler.trajectory(request) for _ in range(count)]
        for trajectory in trajectories:
            batch.join(trajectory)
        batch.step()  # warm
        started = time.process_time()
        for _ in range(STEPS):
            batch.step()
        seconds.append((time.process_time() - started) / STEPS)
        rows.append(sum(trajectory.rows for trajectory in trajectories))
    row = (seconds[1] - seconds[0]) / (rows[1] - rows[0])
    return max(0.0, seconds[0] - row * rows[0]), row


def main() -> int:
    """Measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description="Time the stages by themselves.")
    parser.add_argument("file", type=Path, help="JSON file to write")
    parser.add_argument("--preset", default="tiny", help="[tiny]")
    args = parser.parse_args()
    measured = measure(args.preset)
    measured.write(args.file)
    print(args.file.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
