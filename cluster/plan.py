"""How many actors of each stage a cluster gets, and what each of them claims."""

from collections.abc import Sequence
from dataclasses import dataclass

LIGHT_GPU_SHARE = 0.1  # of a GPU, for the image encoder and for the background network
LIGHT_CPU_ACTORS = 5  # reading, background, features, generation and writing: one of each for every generator
FEWEST_UNITS = 8  # a small machine is cut into this many shares, so that every stage finds room at once


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of the stages; a claim is bookkeeping, so that Ray places actors where there is room."""

    generators: int
    in_flight: int
    """Objects at once on one generator."""
    mesh_workers: int
    """Geometry actors of one generator."""
    cpus_each: float
    """CPUs that every actor claims."""
    generator_gpus: float
    """Share of a GPU that a generator claims."""
    light_gpus: float
    """Share of a GPU that a background or encoder actor claims."""
    threads: int
    """Threads of a generator's network on a CPU."""

    @property
    def data_cpus(self) -> float:
        """CPUs for the stages themselves, without the geometry actors."""
        return LIGHT_CPU_ACTORS * self.generators * self.cpus_each

    @property
    def data_gpus(self) -> float:
        """GPUs for the stages."""
        return self.generators * (self.generator_gpus + 2 * self.light_gpus)


def plan(
    machines: Sequence[float],
    *,
    gpus: float,
    generators_per_gpu: int = 1,
    in_flight: int | None = None,
    mesh_workers: int | None = None,
) -> Plan:
    """Sizes for a cluster whose machines have this many CPUs, with this many GPUs in all; None is what fits it.

    Claims leave the largest of several machines free: should one go away, its actors find room on the others.
    """
    working = sorted(cpus for cpus in machines if cpus > 0)
    cpus = sum(working[:-1]) or sum(working) or 1.0
    generators = int(gpus) * generators_per_gpu or max(1, len(working))
    cpus_each = min(1.0, cpus / FEWEST_UNITS, cpus / ((LIGHT_CPU_ACTORS + 1) * generators))
    left = int((cpus - LIGHT_CPU_ACTORS * generators * cpus_each) / cpus_each / generators)
    on_gpu = gpus >= 1
    return Plan(
        generators=generators,
        in_flight=in_flight or (8 if on_gpu else 2),
        mesh_workers=mesh_workers or max(1, min(left, int(cpus))),
        cpus_each=cpus_each,
        generator_gpus=(1 - 2 * LIGHT_GPU_SHARE) / generators_per_gpu if on_gpu else 0.0,
        light_gpus=LIGHT_GPU_SHARE if on_gpu else 0.0,
        threads=max(1, int(min(working, default=1)) // 2),
    )
