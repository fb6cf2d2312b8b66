"""A discrete-event model of the service: jobs go through the stages of a generation and queue for what does them.

On a cluster a GPU is one server that its sampler (one step of all its trajectories at a time), its codec and its
encoder take turns at; geometry workers are a pool of CPUs; the job store is one database for all. On a laptop every
stage is a process of its own, and all of them share the machine's cores.
"""

import itertools
import random
import statistics
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import simpy

Events = Generator[simpy.Event, object, None]

STORE_CONNECTIONS = 64
WRITES_OF_A_JOB, WRITES_OF_A_PART = 5, 3
SLICE_SECONDS = 0.005  # an operating system's turn at a core
GEOMETRY_WORKERS = 2  # of a laptop: `MeshWorker` in serve_config.yaml


@dataclass(frozen=True, kw_only=True)
class StageTimes:
    """Seconds of each stage; the device's are those of a GPU, or of one core where there is none."""

    step: float
    """Device: a denoising step, whatever its rows."""
    row: float
    """Device: each row of a step."""
    background: float
    """Device: once an image."""
    features: float
    """Device: once an image or region."""
    encode: float
    """Device: a surface to a latent."""
    decode: float
    """Device: a latent to the narrow band of its field."""
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
class Work:
    """What one job has to do."""

    mode: Mode
    parts: int
    decoded: int
    """Latents that became meshes: the parts, and those that were refused as duplicates."""
    sampled: int
    """Latents sampled for parts: those, and the one that said that there is no further part."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A cluster, or a laptop, and the work that it gets."""

    times: StageTimes
    cores: int | None = None
    """Of a laptop, which all processes share; None is a cluster."""
    strangers: int = 0
    """Processes on the laptop that never rest and are none of ours."""
    gpus: int = 1
    cpus_per_gpu: int = 8
    """Geometry workers."""
    jobs_per_gpu: int = 8
    """In flight; a new job begins when one ends."""
    max_rows: int = 48
    steps: int = 50
    mean_parts: float = 8.0
    modes: Sequence[Mode] = MODES
    works: Sequence[Work] = ()
    """The jobs one by one; none is as many at random as give a steady picture, or `jobs`."""
    jitter: float = 0.3
    """Stages other than sampling take up to this share more or less."""
    jobs: int = 0
    seed: int = 0

    @property
    def slots(self) -> int:
        """Jobs in flight."""
        return self.gpus * self.jobs_per_gpu


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


class _Cores:
    """The cores of a machine, which whoever runs takes turns at."""

    def __init__(self, env: simpy.Environment, count: int, *, strangers: int) -> None:
        self._env = env
        self._places = simpy.Resource(env, count)
        for _ in range(strangers):
            env.process(self._keep_busy())

    def run(self, seconds: float) -> Events:
        while seconds > 0:
            with self._places.request() as place:
                yield place
                yield self._env.timeout(min(seconds, SLICE_SECONDS))
            seconds -= SLICE_SECONDS

    def _keep_busy(self) -> Events:
        while True:
            yield from self.run(SLICE_SECONDS)


class _Server:
    """Something that does one thing at a time for each of its places, and counts how long it was busy."""

    def __init__(self, env: simpy.Environment, places: int, cores: _Cores | None = None) -> None:
        self._env = env
        self._places = simpy.Resource(env, places)
        self._cores = cores
        self.busy = 0.0

    def take(self, seconds: float) -> Events:
        with self._places.request() as place:
            yield place
            if self._cores is None:
                yield self._env.timeout(seconds)
            else:
                yield from self._cores.run(seconds)
        self.busy += seconds


class _Sampler:
    """A sampler: trajectories join and leave between steps."""

    def __init__(self, env: simpy.Environment, setting: Setting, server: _Server) -> None:
        self._env = env
        self._setting = setting
        self._server = server
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
            yield from self._server.take(seconds)
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


class _Device:
    """Where networks run: one GPU for all of them, or a process on a laptop's cores for each."""

    def __init__(self, env: simpy.Environment, setting: Setting, cores: _Cores | None) -> None:
        self.servers = [_Server(env, 1, cores) for _ in range(1 if cores is None else 3)]
        self.images, self.codec = self.servers[0], self.servers[-1]
        self.sampler = _Sampler(env, setting, self.servers[len(self.servers) // 2])


class _Model:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.env = simpy.Environment()
        self.random = random.Random(setting.seed)
        cores = None
        if setting.cores is not None:
            cores = _Cores(self.env, setting.cores, strangers=setting.strangers)
        workers = setting.gpus * setting.cpus_per_gpu if cores is None else GEOMETRY_WORKERS
        self.cpus = _Server(self.env, workers, cores)
        self.store = _Server(self.env, STORE_CONNECTIONS)
        self.devices = [_Device(self.env, setting, cores) for _ in range(setting.gpus)]
        self.works = iter(setting.works or self._random_works(setting.jobs or 6 * setting.slots))
        self.ended: list[tuple[float, float, int]] = []
        self.use: tuple[float, float, float] | None = None
        self.slots = [self.env.process(self._slot(self.devices[slot % setting.gpus])) for slot in range(setting.slots)]

    def run(self) -> None:
        self.env.run(simpy.AllOf(self.env, self.slots))

    def _random_works(self, count: int) -> Iterator[Work]:
        draws = random.Random(self.setting.seed)  # its own: settings that differ in sizes only get the same jobs
        for _ in itertools.repeat(None, count):
            mode = draws.choice(self.setting.modes)
            parts = max(1, round(draws.gammavariate(4, self.setting.mean_parts / 4)))
            yield Work(mode=mode, parts=parts, decoded=parts, sampled=parts + 1)

    def _slot(self, device: _Device) -> Events:
        for work in self.works:
            started = self.env.now
            yield from self._job(work, device)
            self.ended.append((started, self.env.now, work.parts))
        self.use = self.use or self._use_until_now()

    def _use_until_now(self) -> tuple[float, float, float]:
        """Shares of the time so far that GPUs, CPUs and store were busy: taken before the last jobs run out."""
        servers = [server for device in self.devices for server in device.servers]
        places = len(servers), self.setting.gpus * self.setting.cpus_per_gpu, STORE_CONNECTIONS
        busy = sum(server.busy for server in servers), self.cpus.busy, self.store.busy
        gpus, cpus, store = (seconds / self.env.now / place for seconds, place in zip(busy, places, strict=True))
        return gpus, cpus, store

    def _job(self, work: Work, device: _Device) -> Events:
        times, mode = self.setting.times, work.mode
        yield from self._on(self.store, WRITES_OF_A_JOB * times.store)
        if mode.has_image:
            yield from self._on(device.images, times.background + times.features)
        if mode.samples_whole:
            yield from device.sampler.sample(2)
        else:
            yield from self._on(self.cpus, times.surface)
            yield from self._on(device.codec, times.encode)
        yield from self._on(device.codec, times.encode)  # the empty history
        for number in range(1, work.sampled + 1):
            yield from device.sampler.sample(mode.rows)
            if number <= work.decoded:
                yield from self._on(device.codec, times.decode)
                yield from self._on(self.cpus, times.extract)
                yield from self._on(self.cpus, times.overlap)
            if number <= work.parts:
                yield from self._on(self.cpus, times.cleanup)
                yield from self._on(self.store, WRITES_OF_A_PART * times.store)
                if number < work.sampled:
                    yield from self._on(self.cpus, times.surface)
                    yield from self._on(device.codec, times.encode)
        yield from self._on(self.cpus, times.package)

    def _on(self, server: _Server, seconds: float) -> Events:
        yield self.env.timeout(self.setting.times.call)
        jitter = self.setting.jitter
        yield from server.take(seconds * self.random.uniform(1 - jitter, 1 + jitter))


def simulate(setting: Setting) -> Figures:
    """Run the model until its jobs are done; figures are those of the middle of the run."""
    model = _Model(setting)
    model.run()
    ends = sorted(model.ended, key=lambda job: job[1])
    slots = setting.slots
    middle = ends[slots : len(ends) - slots] or ends
    since = ends[slots - 1][1] if len(middle) < len(ends) else 0.0
    assert model.use is not None
    gpu_busy, cpu_busy, store_busy = model.use
    samplers = [device.sampler for device in model.devices]
    return Figures(
        seconds=[end - start for start, end, _ in middle],
        parts=sum(parts for _, _, parts in middle),
        span=middle[-1][1] - since,
        gpu_busy=gpu_busy,
        cpu_busy=cpu_busy,
        store_busy=store_busy,
        mean_rows=sum(sampler.row_seconds for sampler in samplers) / sum(sampler.step_seconds for sampler in samplers),
    )
