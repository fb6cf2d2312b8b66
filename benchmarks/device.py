"""What a GPU makes of the networks: does it compute the same, how fast, in how much memory.

    python -m benchmarks.device [--preset autopartgen-2048] [--device cuda] [--stages parity,step] [--json FILE]

Weights may be random (`--random`), for what is asked here does not depend on them. Every stage prints what it found and
whether that passes; stages that the device cannot do say so. On a CPU with `--preset nano` it is a dry run of itself.
It has not been run on a GPU yet.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apg_core.diffusion.trajectories import TrajectoryBatch, run_together
from apg_core.errors import BackendMissingError
from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.isosurface import extract_surface
from apg_core.parity.verify import verify
from apg_core.pipeline.codec import ShapeCodec
from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.pipeline.local import generate_parts
from apg_core.pipeline.local_stages import load_pipeline
from apg_core.pipeline.memory import GB, memory
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.presets import Preset, load_preset
from apg_core.protocol.options import DecodeOptions, GenerationOptions, GuidanceScales

ROOT = Path(__file__).parents[1]
PARITY, CHAIR = ROOT / "tests/data/parity", ROOT / "examples/mesh/chair/mesh.glb"
SEED, REPEATS = 0, 3
STEP_ROWS, TOGETHER = (2, 4, 8, 16, 32), (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Found:
    """One figure of a stage; `most` is the largest that passes, None where it is only told."""

    stage: str
    what: str
    value: float
    unit: str
    most: float | None = None

    @property
    def passed(self) -> bool:
        """Whether it is within its bound; NaN is not."""
        return self.most is None or self.value <= self.most

    def __str__(self) -> str:
        bound = "" if self.most is None else f"{self.most:.3g} {self.unit}{'' if self.passed else ' FAILED'}"
        return f"| {self.stage} | {self.what} | {self.value:.3g} {self.unit} | {bound} |"


@dataclass(frozen=True)
class Bench:
    """The device, and the preset whose sizes are asked of it."""

    preset: Preset
    device: torch.device
    grids: tuple[int, ...]

    @property
    def on_gpu(self) -> bool:
        """Whether bounds, which are of a GPU at release size, mean anything."""
        return self.device.type == "cuda"

    def bound(self, most: float) -> float | None:
        """A bound of a GPU."""
        return most if self.on_gpu else None

    def loader(self, precision: str = "auto") -> ModelLoader:
        """Networks of the preset on the device."""
        return ModelLoader(self.preset, device=self.device, precision=precision)  # type: ignore[arg-type]

    def sampler(self, precision: str = "auto") -> PartSampler:
        """The sampling stage."""
        encoder = self.preset.image_encoder
        dropped = np.zeros((encoder.num_tokens, self.preset.dit.image_width), np.float32)
        return self.loader(precision).part_sampler(dropped=dropped, noise_device=torch.device("cpu"))

    def latent(self, seed: int = SEED) -> np.ndarray:
        """Any latent."""
        shape = (self.preset.num_latents, self.preset.dit.latent_channels)
        return np.random.default_rng(seed).standard_normal(shape, np.float32)

    def request(self, seed: int = SEED, steps: int = 10) -> LatentRequest:
        """A part at the default guidance of mesh mode: two rows a step."""
        geometry = Geometry(self.latent(seed + 1), self.latent(seed + 2))
        scales = GuidanceScales(image=0.0, geometry=2.0)
        return LatentRequest(features=None, geometry=geometry, guidance=scales, seed=seed, steps=steps, sigma_floor=0.0)

    def seconds(self, work: Callable[[], object], repeats: int = REPEATS) -> float:
        """Median wall time of some work that has run once before."""
        work()
        taken = []
        for _ in range(repeats):
            self.wait()
            started = time.perf_counter()
            work()
            self.wait()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    def peak(self, work: Callable[[], object]) -> float:
        """Bytes that some work takes at most on the device; zero on a CPU, which does not tell."""
        if not self.on_gpu:
            work()
            return 0.0
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.wait()
        return float(torch.cuda.max_memory_allocated(self.device))

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def parity(bench: Bench) -> Iterator[Found]:
    """Every known number, in fp32."""
    for result in verify(PARITY, device=bench.device):
        if result.error is not None:
            yield Found("parity", result.name, result.error, "", result.tolerance)


@torch.inference_mode()
def precision(bench: Bench) -> Iterator[Found]:
    """The preset's own precision against fp32: a step, a trajectory, the field; and twice the same bits."""
    whole, half = bench.sampler("fp32"), bench.sampler("bf16")
    for name, steps, most in (("one step", 1, 0.02), ("a trajectory", 50 if bench.on_gpu else 4, 0.10)):
        exact, rounded = (sampler.sample(bench.request(steps=steps)) for sampler in (whole, half))
        yield Found("precision", f"bf16 against fp32, {name}", _apart(exact, rounded), "", bench.bound(most))
    again = [half.sample(bench.request(steps=2)) for _ in range(2)]
    yield Found("precision", "the same twice, differs by", float(np.abs(again[0] - again[1]).max()), "", 0.0)
    points = torch.rand(1, 4096, 3, device=bench.device) * 2 - 1
    latents = torch.tensor(bench.latent(), device=bench.device)[None]
    fields = [bench.loader(kind).vae().decode(latents, points).float() for kind in ("fp32", "bf16")]
    flipped = float(((fields[0] > 0) != (fields[1] > 0)).float().mean())
    yield Found("precision", "field, share of signs that flip", flipped, "", bench.bound(0.01))


@torch.inference_mode()
def attention(bench: Bench) -> Iterator[Found]:
    """Kernels of attention against the plain one, also with a broadcast context; first call of a new shape."""
    heads = bench.preset.dit.num_attention_heads
    width = bench.preset.dit.width // heads
    dtype = torch.bfloat16 if bench.on_gpu else torch.float32
    tokens = bench.preset.num_latents

    def drawn(rows: int, count: int) -> Tensor:
        return torch.randn(rows, heads, count, width, device=bench.device, dtype=dtype)

    query, key, value = drawn(2, tokens), drawn(1, tokens), drawn(1, tokens)
    broadcast = key.expand(2, -1, -1, -1), value.expand(2, -1, -1, -1)
    plain = F.scaled_dot_product_attention(query.float(), broadcast[0].float(), broadcast[1].float())
    for backend in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"):
        try:
            with nn.attention.sdpa_kernel(getattr(nn.attention.SDPBackend, backend)):
                found = F.scaled_dot_product_attention(query, *broadcast).float()
        except RuntimeError:  # not for this device or these shapes
            continue
        error = float((found - plain).abs().max())
        yield Found("attention", f"{backend.lower()}, broadcast context, error", error, "", 2e-2)
    first = []
    for count in range(tokens, tokens + 5):
        bench.wait()
        started = time.perf_counter()
        F.scaled_dot_product_attention(drawn(2, count), *broadcast)
        bench.wait()
        first.append(time.perf_counter() - started)
    yield Found("attention", "first call of a new shape", 1e3 * statistics.median(first), "ms", bench.bound(2.0))


def step(bench: Bench) -> Iterator[Found]:
    """A denoising step of so many rows, as it is and compiled."""
    sampler = bench.sampler()
    for compiled in (False, True) if bench.on_gpu else (False,):
        if compiled:
            for block in sampler.denoiser.blocks:
                block.compile()
        for rows in STEP_ROWS if bench.on_gpu else STEP_ROWS[:2]:
            batch = TrajectoryBatch(sampler.company)
            for seed in range(rows // 2):
                batch.join(sampler.trajectory(bench.request(seed, steps=200)))
            taken = 1e3 * bench.seconds(batch.step, repeats=10)
            most = bench.bound(27.0 if compiled else 34.0) if rows == STEP_ROWS[0] else None
            yield Found("step", f"{rows} rows{', compiled' if compiled else ''}", taken, "ms", most)


def sharing(bench: Bench) -> Iterator[Found]:
    """Trajectories at once: time of each, memory beside what `apg_core.pipeline.memory` says, alone against company."""
    sampler, steps = bench.sampler(), 10 if bench.on_gpu else 2
    alone = sampler.sample(bench.request(SEED, steps))
    expected = memory(bench.preset)
    for count in TOGETHER if bench.on_gpu else TOGETHER[:2]:
        requests = [bench.request(SEED + seed, steps) for seed in range(count)]
        taken = bench.seconds(lambda requests=requests: sampler.sample_together(requests), repeats=1) / count  # type: ignore[misc]
        yield Found("sharing", f"{count} at once, each", taken, "s")
        trajectories = [sampler.trajectory(request) for request in requests]
        peak = bench.peak(lambda some=trajectories: run_together(sampler.company, some))  # type: ignore[misc]
        sized = expected.weights["part denoiser"] + 2 * count * expected.row
        yield Found("sharing", f"{count} at once, peak", peak / GB, "GB", bench.bound(1.15 * sized / GB))
    company = sampler.latent_of(trajectories[0])
    yield Found("sharing", "alone against company", _apart(alone, company), "", 0.02)


def field(bench: Bench) -> Iterator[Found]:
    """Sizes of field chunks, and whole decodes: on the device, and the surface on the host."""
    vae = bench.loader().vae()
    context = vae.field_context(torch.tensor(bench.latent(), device=bench.device)[None])
    for queries in (16_384, 65_536, 262_144) if bench.on_gpu else (1_024, 4_096):
        points = torch.rand(1, queries, 3, device=bench.device) * 2 - 1

        @torch.inference_mode()
        def chunk(points: Tensor = points) -> Tensor:
            return vae.field(context, points)

        yield Found("field", f"{queries:,} points at once", 1e6 * bench.seconds(chunk) / queries, "us a point")
        yield Found("field", f"{queries:,} points at once, peak", bench.peak(chunk) / GB, "GB")
    codec = ShapeCodec(vae)
    for grid in bench.grids:
        options = DecodeOptions(grid_size=grid)
        most = bench.bound(0.3) if grid == bench.grids[0] else None
        taken = bench.seconds(lambda options=options: codec.decode(bench.latent(), options), repeats=1)  # type: ignore[misc]
        yield Found("field", f"band at {grid}", taken, "s", most)
        band = codec.decode(bench.latent(), options)
        host = bench.seconds(lambda band=band: extract_surface(band))  # type: ignore[misc]
        yield Found("field", f"surface at {grid}, on the host", host, "s")


def diso(bench: Bench) -> Iterator[Found]:
    """diso against libigl on a torus: volume, seconds."""
    import trimesh

    def torus(points: np.ndarray) -> np.ndarray:
        ring = np.hypot(points[:, 0], points[:, 1]) - 0.5
        return 0.2 - np.hypot(ring, points[:, 2])

    volumes = {}
    for grid in bench.grids:
        band = narrow_band(torus, Grid(grid))
        for backend in ("libigl", "diso"):
            try:
                mesh = extract_surface(band, backend=backend)
            except BackendMissingError as error:
                print(f"diso: {error.message}", file=sys.stderr)
                continue
            solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
            volumes[backend] = float(solid.volume)  # negative where faces turn inward
            taken = bench.seconds(lambda band=band, backend=backend: extract_surface(band, backend=backend))  # type: ignore[misc]
            yield Found("diso", f"{backend} at {grid}", taken, "s")
        if "diso" in volumes:
            off = abs(volumes["diso"] / volumes["libigl"] - 1)
            yield Found("diso", f"volume against libigl's at {grid}", off, "", 0.01)


def whole(bench: Bench) -> Iterator[Found]:
    """A generation of the demo chair of eight parts at most, from loaded networks to files, by stage."""
    pipeline = load_pipeline(bench.preset, str(bench.device))
    parts, steps = (8, None) if bench.on_gpu else (2, 2)
    options = GenerationOptions(max_parts=parts, show_progress=False, grid_size=bench.grids[0])
    if steps is not None:
        options = options.model_copy(update={"num_inference_steps": steps})
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        made = generate_parts(pipeline, mesh=CHAIR, output_dir=folder, options=options)
        taken = time.perf_counter() - started
    yield Found("whole", f"mesh mode, {len(made.parts)} parts", taken, "s", bench.bound(20.0))
    for stage, seconds in made.manifest.timings.items():
        yield Found("whole", stage, seconds, "s")


def small_memory(bench: Bench) -> Iterator[Found]:
    """A generation with one network at a time on the device, and its peak."""
    expected = memory(bench.preset)
    pipeline = load_pipeline(bench.preset, str(bench.device), low_memory=True)
    options = GenerationOptions(max_parts=1, num_inference_steps=2, show_progress=False, grid_size=bench.grids[0])
    started = time.perf_counter()
    peak = bench.peak(lambda: generate_parts(pipeline, mesh=CHAIR, options=options))
    yield Found("memory", "one part, two steps, low_memory", time.perf_counter() - started, "s")
    most = max(expected.weights.values()) + max(2 * expected.row, expected.decoding)
    yield Found("memory", "peak with low_memory", peak / GB, "GB", bench.bound(1.15 * most / GB))


STAGES: dict[str, Callable[[Bench], Iterator[Found]]] = {
    "parity": parity,
    "precision": precision,
    "attention": attention,
    "step": step,
    "sharing": sharing,
    "field": field,
    "diso": diso,
    "whole": whole,
    "memory": small_memory,
}


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two arrays are apart, as a share of the first one's size."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(one))


def main(arguments: list[str] | None = None) -> int:
    """Run the stages, print a table; the exit code says whether all passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--preset", default="autopartgen-2048", help="whose sizes [autopartgen-2048]")
    parser.add_argument("--device", help="cuda, cuda:1, cpu [cuda where there is one]")
    parser.add_argument("--stages", default=",".join(STAGES), help="which, by commas [all]")
    parser.add_argument("--random", action="store_true", help="random weights in place of the preset's")
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    args = parser.parse_args(arguments)
    device = pick_device(args.device)
    preset = load_preset(args.preset)
    if args.random:
        preset = replace(preset, random_seed=SEED)
    bench = Bench(preset, device, (256, 512) if device.type == "cuda" else (32,))
    name = torch.cuda.get_device_name(device) if bench.on_gpu else "CPU: a dry run, whose figures say nothing of a GPU"
    print(f"{name}, torch {torch.__version__}, preset {preset.name}\n")
    print("| stage | what | found | at most |\n|---|---|---|---|")
    found = []
    for stage in args.stages.split(","):
        for one in STAGES[stage](bench):
            print(one, flush=True)
            found.append(one)
    if args.json:
        args.json.write_text(json.dumps([asdict(one) for one in found], indent=1), encoding="utf-8")
    failed = [one for one in found if not one.passed]
    print(f"\n{len(failed)} of {len(found)} outside their bounds" if failed else "\nall within their bounds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
