"""The model of the service, put to use: throughput, latency and bottlenecks for 1 to 1,000 GPUs, and its own check.

    python -m benchmarks.simulate                        plots to benchmarks/plots/, figures as a table
    python -m benchmarks.simulate --check MEASURED       simulated against measured jobs on this machine

MEASURED is what `python -m benchmarks.service --json MEASURED` wrote. The check knows the stages' times by themselves
(`benchmarks.stages`), and must foretell how many jobs a minute come out when several run at once. Times of the
cluster's geometry are measured; those of a GPU are computed from operation counts, and those of its database assumed,
since neither was at hand.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from benchmarks.graph import MODES, Figures, Setting, StageTimes, simulate
from benchmarks.stages import MeasuredStages, measure

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

PLOTS = Path(__file__).parent / "plots"
SUBJECT = "Simulated: autopartgen-2048, 8 parts a job, computed times of an H100"
TOLERANCE = 0.25

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


def plot_scale(times: StageTimes) -> list[tuple[int, Figures]]:
    """Throughput from 1 to 1,000 GPUs."""
    sizes = (1, 10, 100, 1000)
    found = [(gpus, simulate(Setting(times=times, gpus=gpus, jobs=max(240, 3 * 8 * gpus)))) for gpus in sizes]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    axes[0].loglog(sizes, [each.jobs_per_hour for _, each in found], "o-", label="simulated")
    axes[0].loglog(sizes, [found[0][1].jobs_per_hour * gpus for gpus in sizes], "k:", label="one GPU's, multiplied")
    axes[0].set(xlabel="GPUs", ylabel="jobs an hour", title="Throughput, 8 jobs and 8 CPUs a GPU")
    axes[0].legend()
    for share in (0.5, 0.95):
        axes[1].semilogx(sizes, [each.quantile(share) for _, each in found], "o-", label=f"p{share * 100:.0f}")
    axes[1].set(xlabel="GPUs", ylabel="seconds", title="Time of a job", ylim=(0, None))
    axes[1].legend()
    figure.suptitle(f"{SUBJECT}, all modes")
    _save(figure, "scale")
    return found


def plot_bottleneck(times: StageTimes) -> None:
    """Which of GPU and CPU holds one GPU's throughput back, by the two knobs that matter."""
    workers, in_flight = (1, 2, 4, 8, 16), (1, 2, 4, 8, 16, 24)
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    for cpus in workers:
        found = [
            simulate(Setting(times=times, cpus_per_gpu=cpus, jobs_per_gpu=jobs, jobs=max(240, 12 * jobs)))
            for jobs in in_flight
        ]
        axes[0].plot(in_flight, [each.jobs_per_hour for each in found], "o-", label=f"{cpus} CPU{'s' * (cpus > 1)}")
        axes[1].plot(in_flight, [100 * each.gpu_busy for each in found], "o-", label=f"{cpus} CPU{'s' * (cpus > 1)}")
        axes[2].plot(in_flight, [each.quantile(0.5) for each in found], "o-", label=f"{cpus} CPU{'s' * (cpus > 1)}")
    titles = ("jobs an hour", "GPU busy, %", "median seconds of a job")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xlabel="jobs in flight on one GPU", title=title, ylim=(0, None))
        axis.legend()
    figure.suptitle(f"{SUBJECT}, all modes")
    _save(figure, "bottleneck")


def plot_modes(times: StageTimes) -> None:
    """What each kind of job costs, and where its time goes."""
    names = [mode.name for mode in MODES]
    found = [simulate(Setting(times=times, modes=(mode,), jobs=400)) for mode in MODES]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    axes[0].bar(names, [each.jobs_per_hour for each in found])
    axes[0].set(title="jobs an hour on one GPU, 8 CPUs")
    places = range(len(names))
    axes[1].bar([place - 0.2 for place in places], [100 * each.gpu_busy for each in found], 0.4, label="GPU")
    axes[1].bar([place + 0.2 for place in places], [100 * each.cpu_busy for each in found], 0.4, label="CPUs")
    axes[1].set(title="busy, %", xticks=list(places), xticklabels=names, ylim=(0, 105))
    axes[1].legend()
    figure.suptitle(SUBJECT)
    _save(figure, "modes")


def _save(figure: Figure, name: str) -> None:
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


def check(stages: MeasuredStages, measured: dict[int, float], *, strangers: int) -> tuple[str, float]:
    """Jobs a minute by how many were submitted together, measured and simulated, and the largest deviation."""
    lines = [
        "| jobs together | measured, s | simulated, s | measured, jobs a minute | simulated | deviation |",
        "| ---: " * 6 + "|",
    ]
    worst = 0.0
    for count, seconds in sorted(measured.items()):
        setting = Setting(
            times=stages.times,
            cores=stages.cores,
            strangers=strangers,
            jobs_per_gpu=count,
            steps=stages.steps,
            works=stages.works[:count],
            jitter=0.0,
        )
        simulated = max(simulate(setting).seconds)  # all begin at once
        deviation = seconds / simulated - 1
        worst = max(worst, abs(deviation))
        lines.append(
            f"| {count} | {seconds:.1f} | {simulated:.1f} | {60 * count / seconds:.1f} | {60 * count / simulated:.1f} "
            f"| {deviation:+.0%} |"
        )
    return "\n".join(lines), worst


def main() -> int:
    """Draw the plots and print the table, or check the model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="MEASURED", help="compare with what benchmarks.service measured")
    parser.add_argument("--stages", type=Path, help="stage times of `benchmarks.stages` [measured now]")
    parser.add_argument(
        "--strangers", type=int, default=0, metavar="N", help="other processes that kept a core busy meanwhile [0]"
    )
    args = parser.parse_args()
    if args.check is None:
        found = plot_scale(H100)
        plot_bottleneck(H100)
        plot_modes(H100)
        print(table(found))
        return 0
    together = json.loads(args.check.read_text())["together"]
    measured = {int(count): float(seconds) for count, seconds in together.items()}
    stages = MeasuredStages.read(args.stages) if args.stages else measure(jobs=max(measured))
    text, worst = check(stages, measured, strangers=args.strangers)
    print(f"{text}\n\nlargest deviation {worst:.0%}; {TOLERANCE:.0%} is allowed")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
