"""A discrete-event model of the service: throughput, latency and use of GPUs and CPUs, for 1 to 1,000 GPUs.

    python -m benchmarks.simulate                plots to benchmarks/plots/, figures as a table

Jobs go through the stages of a generation. A GPU is one server that its sampler (one step of all its trajectories at
a time), its codec and its encoder take turns at; geometry workers are a pool of CPUs; the job store is one database
for all. Times of the geometry are measured; those of a GPU are computed from operation counts, and those of the
database assumed, since neither was at hand.
"""

import itertools
import random
import statistics
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import simpy

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PLOTS = Path(__file__).parent / "plots"
Events = Generator[simpy.Event, object, None]


@dataclass(frozen=True, kw_only=True)
class StageTimes:
    """Seconds of each stage; the GPU's stand beside those of one CPU core."""

    step: float
    """GPU: a denoising step, whatever its rows."""
    row: float
    """GPU: each row of a step."""
    background: float
    """GPU: once an image."""
    features: float
    """GPU: once an image or region."""
    encode: float
    """GPU: a surface to a latent."""
    decode: float
    """GPU: a latent to the narrow band of its field."""
    surface: float
    """CPU: points of a mesh."""
    extract: float
    """CPU: the surface of a narrow band."""
    overlap: float
    """CPU: surface cells in common with the accepted parts."""
    cleanup: float
    """CPU: simplification and floaters."""
    package: float
    """CPU: files and preview of a job."""
    call: float
    """Between two deployments, the data included; nobody's time but the job's."""
    store: float
    """A transaction of the job store."""


# autopartgen-2048 at its defaults. GPU: operation counts of cluster/sizing.py at 40 % of an H100's dense bf16 peak.
# CPU: measured, seconds of one core for a part of 50,000 faces at grid 256 (252,000 before simplification), the
# refinement of its narrow band included. Store: assumed.
H100 = StageTimes(
    step=0.004,
    row=0.021,
    background=0.03,
    features=0.01,
    encode=0.03,
    decode=0.05,
    surface=0.64,
    extract=0.55,
    overlap=0.34,
    cleanup=1.4,
    package=4.4,
    call=0.008,
    store=0.003,
)
STORE_CONNECTIONS = 64
WRITES_OF_A_JOB, WRITES_OF_A_PART = 5, 3


@dataclass(frozen=True)
class Mode:
    """One kind of job."""

    name: str
    samples_whole: bool
    has_image: bool
    rows: int
    """Of a step of a part, at the preset's guidance."""


MODES = (
    Mode("image", True, True, 2),
    Mode("mesh", False, False, 2),
    Mode("image_mesh", False, True, 2),
    Mode("image_mask", True, True, 2),
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A cluster and the work that it gets."""

    times: StageTimes
    gpus: int = 1
    cpus_per_gpu: int = 8
    """Geometry workers."""
    jobs_per_gpu: int = 8
    """In flight; a new job begins when one ends."""
    max_rows: int = 48
    steps: int = 50
    mean_parts: float = 8.0
    modes: Sequence[Mode] = MODES
    jitter: float = 0.3
    """Stages other than sampling take up to this share more or less."""
    jobs: int = 0
    """To simulate; 0 is what gives a steady picture."""
    seed: int = 0


@dataclass
class Figures:
    """What came out, over the jobs after the warm-up."""

    seconds: list[float] = field(default_factory=list)
    parts: int = 0
    span: float = 0.0
    gpu_busy: float = 0.0
    cpu_busy: float = 0.0
    store_busy: float = 0.0
    mean_rows: float = 0.0

    @property
    def jobs_per_hour(self) -> float:
        """Throughput."""
        return 3600 * len(self.seconds) / self.span

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the jobs ended."""
        return statistics.quantiles(self.seconds, n=100)[int(100 * share) - 1]


class _Server:
    """Something that does one thing at a time for each of its places, and counts how long it was busy."""

    def __init__(self, env: simpy.Environment, places: int) -> None:
        self._env = env
        self._places = simpy.Resource(env, places)
        self.busy = 0.0

    def take(self, seconds: float) -> Events:
        with self._places.request() as place:
            yield place
            yield self._env.timeout(seconds)
        self.busy += seconds


class _Gpu:
    """A GPU with its sampler: trajectories join and leave between steps."""

    def __init__(self, env: simpy.Environment, setting: Setting, server: _Server) -> None:
        self._env = env
        self._setting = setting
        self.server = server
        self._members: dict[simpy.Event, list[int]] = {}
        self._waiting: list[tuple[simpy.Event, int]] = []
        self._awake = env.event()
        self.row_seconds = self.step_seconds = 0.0
        env.process(self._run())

    def sample(self, rows: int) -> Events:
        done = self._env.event()
        self._waiting.append((done, rows))
        if not self._awake.triggered:
            self._awake.succeed()
        yield done

    def _run(self) -> Events:
        times = self._setting.times
        while True:
            self._take_in()
            if not self._members:
                self._awake = self._env.event()
                yield self._awake
                continue
            rows = sum(rows for rows, _ in self._members.values())
            seconds = times.step + times.row * rows
            yield from self.server.take(seconds)
            self.row_seconds += rows * seconds
            self.step_seconds += seconds
            for done, member in list(self._members.items()):
                member[1] -= 1
                if not member[1]:
                    del self._members[done]
                    done.succeed()

    def _take_in(self) -> None:
        rows = sum(rows for rows, _ in self._members.values())
        while self._waiting and (not rows or rows + self._waiting[0][1] <= self._setting.max_rows):
            done, wanted = self._waiting.pop(0)
            self._members[done] = [wanted, self._setting.steps]
            rows += wanted


class _Model:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.env = simpy.Environment()
        self.random = random.Random(setting.seed)
        self.cpus = _Server(self.env, setting.gpus * setting.cpus_per_gpu)
        self.store = _Server(self.env, STORE_CONNECTIONS)
        self.gpus = [_Gpu(self.env, setting, _Server(self.env, 1)) for _ in range(setting.gpus)]
        self.begun: Iterator[int] = itertools.count()
        self.ended: list[tuple[float, float, int]] = []
        self.use: tuple[float, float, float] | None = None
        slots = setting.gpus * setting.jobs_per_gpu
        self.total = setting.jobs or 6 * slots
        for slot in range(slots):
            self.env.process(self._slot(self.gpus[slot % setting.gpus]))

    def _slot(self, gpu: _Gpu) -> Events:
        while next(self.begun) < self.total:
            started = self.env.now
            parts = yield from self._job(gpu)
            self.ended.append((started, self.env.now, parts))
        self.use = self.use or self._use_until_now()

    def _use_until_now(self) -> tuple[float, float, float]:
        """Shares of the time so far that GPUs, CPUs and store were busy: taken before the last jobs run out."""
        places = self.setting.gpus, self.setting.gpus * self.setting.cpus_per_gpu, STORE_CONNECTIONS
        busy = sum(gpu.server.busy for gpu in self.gpus), self.cpus.busy, self.store.busy
        gpus, cpus, store = (seconds / self.env.now / place for seconds, place in zip(busy, places, strict=True))
        return gpus, cpus, store

    def _job(self, gpu: _Gpu) -> Generator[simpy.Event, object, int]:
        times, mode = self.setting.times, self.random.choice(self.setting.modes)
        parts = max(1, round(self.random.gammavariate(4, self.setting.mean_parts / 4)))
        yield from self._on(self.store, WRITES_OF_A_JOB * times.store)
        if mode.has_image:
            yield from self._on(gpu.server, times.background + times.features)
        if mode.samples_whole:
            yield from gpu.sample(2)
        else:
            yield from self._on(self.cpus, times.surface)
            yield from self._on(gpu.server, times.encode)
        yield from self._on(gpu.server, times.encode)  # the empty history
        for _ in range(parts):
            yield from gpu.sample(mode.rows)
            yield from self._on(gpu.server, times.decode)
            for seconds in (times.extract, times.overlap, times.cleanup, times.surface):
                yield from self._on(self.cpus, seconds)
            yield from self._on(self.store, WRITES_OF_A_PART * times.store)
            yield from self._on(gpu.server, times.encode)
        yield from gpu.sample(mode.rows)  # which says that there is no further part
        yield from self._on(self.cpus, times.package)
        return parts

    def _on(self, server: _Server, seconds: float) -> Events:
        yield self.env.timeout(self.setting.times.call)
        jitter = self.setting.jitter
        yield from server.take(seconds * self.random.uniform(1 - jitter, 1 + jitter))


def simulate(setting: Setting) -> Figures:
    """Run the model until its jobs are done; figures are those of the middle of the run."""
    model = _Model(setting)
    model.env.run()
    ends = sorted(model.ended, key=lambda job: job[1])
    slots = setting.gpus * setting.jobs_per_gpu
    middle = ends[slots : len(ends) - slots] or ends
    since = ends[slots - 1][1] if len(middle) < len(ends) else 0.0
    assert model.use is not None
    gpu_busy, cpu_busy, store_busy = model.use
    return Figures(
        seconds=[end - start for start, end, _ in middle],
        parts=sum(parts for _, _, parts in middle),
        span=middle[-1][1] - since,
        gpu_busy=gpu_busy,
        cpu_busy=cpu_busy,
        store_busy=store_busy,
        mean_rows=sum(gpu.row_seconds for gpu in model.gpus) / sum(gpu.step_seconds for gpu in model.gpus),
    )


def plot_scale(times: StageTimes) -> list[tuple[int, Figures]]:
    """Throughput from 1 to 1,000 GPUs."""
    sizes = (1, 10, 100, 1000)
    found = [(gpus, simulate(Setting(times=times, gpus=gpus, jobs=max(240, 3 * 8 * gpus)))) for gpus in sizes]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    axes[0].loglog(sizes, [each.jobs_per_hour for _, each in found], "o-", label="simulated")
    axes[0].loglog(sizes, [found[0][1].jobs_per_hour * gpus for gpus in sizes], "k:", label="one GPU's, multiplied")
    axes[0].set(xlabel="GPUs", ylabel="jobs an hour", title="Throughput, 8 jobs and 8 CPUs a GPU")
    axes[0].legend()
    for share in (0.5, 0.95):
        axes[1].semilogx(sizes, [each.quantile(share) for _, each in found], "o-", label=f"p{share * 100:.0f}")
    axes[1].set(xlabel="GPUs", ylabel="seconds", title="Time of a job", ylim=(0, None))
    axes[1].legend()
    _save(figure, "scale")
    return found


def plot_bottleneck(times: StageTimes) -> None:
    """Which of GPU and CPU holds one GPU's throughput back, by the two knobs that matter."""
    workers, in_flight = (1, 2, 4, 8, 16), (1, 2, 4, 8, 16, 24)
    figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    for cpus in workers:
        found = [
            simulate(Setting(times=times, cpus_per_gpu=cpus, jobs_per_gpu=jobs, jobs=max(160, 8 * jobs)))
            for jobs in in_flight
        ]
        axes[0].plot(in_flight, [each.jobs_per_hour for each in found], "o-", label=f"{cpus} CPUs")
        axes[1].plot(in_flight, [100 * each.gpu_busy for each in found], "o-", label=f"{cpus} CPUs")
        axes[2].plot(in_flight, [each.quantile(0.5) for each in found], "o-", label=f"{cpus} CPUs")
    titles = ("jobs an hour", "GPU busy, %", "median seconds of a job")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xlabel="jobs in flight on one GPU", title=title, ylim=(0, None))
        axis.legend()
    _save(figure, "bottleneck")


def plot_modes(times: StageTimes) -> None:
    """What each kind of job costs, and where its time goes."""
    names = [mode.name for mode in MODES]
    found = [simulate(Setting(times=times, modes=(mode,), jobs=400)) for mode in MODES]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    axes[0].bar(names, [each.jobs_per_hour for each in found])
    axes[0].set(title="jobs an hour on one GPU, 8 CPUs")
    places = range(len(names))
    axes[1].bar([place - 0.2 for place in places], [100 * each.gpu_busy for each in found], 0.4, label="GPU")
    axes[1].bar([place + 0.2 for place in places], [100 * each.cpu_busy for each in found], 0.4, label="CPUs")
    axes[1].set(title="busy, %", xticks=list(places), xticklabels=names, ylim=(0, 100))
    axes[1].legend()
    _save(figure, "modes")


def _save(figure: plt.Figure, name: str) -> None:
    PLOTS.mkdir(exist_ok=True)
    figure.savefig(PLOTS / f"{name}.png", dpi=90)
    plt.close(figure)


def table(found: Sequence[tuple[int, Figures]]) -> str:
    """Figures by number of GPUs, in Markdown."""
    lines = ["| GPUs | jobs an hour | p50, s | p95, s | GPU busy | CPUs busy | store busy |", "| ---: " * 7 + "|"]
    for gpus, each in found:
        lines.append(
            f"| {gpus:,} | {each.jobs_per_hour:,.0f} | {each.quantile(0.5):.0f} | {each.quantile(0.95):.0f} "
            f"| {each.gpu_busy:.0%} | {each.cpu_busy:.0%} | {each.store_busy:.1%} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Draw the plots, print the table."""
    found = plot_scale(H100)
    plot_bottleneck(H100)
    plot_modes(H100)
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
