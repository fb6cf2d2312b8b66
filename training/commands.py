"""The `apg eval` and `apg table` commands."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from apg_core.cli import INTERRUPTED, OK
from apg_core.flags import Subparsers, add_option_flags, add_precision_flag, at_least_one, chosen_options
from apg_core.protocol.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from training.cases import Case
    from training.evaluate import Result
    from training.workers import Loading

    Measure = Callable[[Case], Result]

MODES: tuple[Mode, ...] = ("mesh", "image_mesh_mask", "image")
"""The rows of a model card."""
GEOMETRY_ALONE = ("coacd", "components", "whole")
"""Kinds of `training.baselines.BASELINES`, by how their names begin."""


def add_commands(commands: Subparsers) -> None:
    """Add the commands of this module to `apg`."""
    about = (
        "Generate objects whose parts are known, and say how good the parts are. DATASET is a procedural split "
        "(validation, test, kept_out), a folder of objects whose parts are separate meshes or GLB nodes, or "
        "real:FOLDER for those real objects of a folder that training keeps for validation."
    )
    parser = commands.add_parser("eval", help="measure a preset's quality", description=about)
    parser.add_argument("dataset", help="validation, test, kept_out, a folder, or real:FOLDER")
    parser.add_argument("--modes", nargs="*", choices=get_args(Mode), default=["mesh"], metavar="MODE")
    _add_baselines(parser, [], "also measure geometry alone")
    parser.add_argument(
        "--fused",
        action=argparse.BooleanOptionalAction,
        help="give the boolean union of the parts, which has no inner faces [for folders]",
    )
    parser.add_argument("--reconstruction", action="store_true", help="also measure the autoencoder alone")
    _add_common(parser)
    parser.set_defaults(run=_evaluate)

    about = (
        "The whole table of a model card, fused: procedural objects of trained and kept-out families, and real ones."
    )
    parser = commands.add_parser("table", help="measure all rows of a model card", description=about)
    parser.add_argument("--real", type=Path, help="folder of real objects; without it, their rows are left out")
    _add_baselines(parser, [*GEOMETRY_ALONE], "geometry alone, to measure on the real ones")
    _add_common(parser)
    parser.set_defaults(run=_table)


def _add_baselines(parser: argparse.ArgumentParser, default: list[str], what: str) -> None:
    parser.add_argument(
        "--baseline",
        nargs="*" if default else "+",
        choices=GEOMETRY_ALONE,
        default=default,
        metavar="NAME",
        help=f"{what}: coacd (four thresholds, minutes each), components, whole [{' '.join(default) or 'none'}]",
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--count", type=int, default=100, help="objects at most [100]")
    parser.add_argument("--output", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument("--preset", default="tiny", help="a preset, or the path of a config file [tiny]")
    parser.add_argument(
        "--workers", type=at_least_one, default=1, help="processes that measure objects beside each other [1]"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... [cuda where there is one]")
    add_precision_flag(parser)
    add_option_flags(parser)


def _evaluate(options: argparse.Namespace) -> int:
    from rich.console import Console  # these imports take seconds

    from training.evaluate import find_cases
    from training.report import table, write_report

    measures = _generating(options, options.modes) | _baselines(options)
    if options.reconstruction:
        measures |= _reconstructing(options)
    cases = find_cases(options.dataset, options.count, fused=options.fused)
    console = Console(file=sys.stdout)
    summaries: dict[str, dict[str, float]] = {}
    for name, measure in measures.items():
        results, interrupted = _watched(name, measure, cases, options.workers, console)
        summaries[name] = write_report(results, cases, options.output / name)
        if interrupted:
            console.print(table(summaries))
            return INTERRUPTED
    console.print(table(summaries))
    return OK


def _table(options: argparse.Namespace) -> int:
    from rich.console import Console

    from training.evaluate import find_cases
    from training.report import markdown, write_report

    measures = _generating(options, MODES) | _reconstructing(options)
    console = Console(file=sys.stdout)
    datasets = {"trained": "test", "kept out": "kept_out"}
    if options.real is not None:
        datasets["real"] = f"real:{options.real}"
    rows: dict[str, list[Result]] = {}
    for label, dataset in datasets.items():
        cases = find_cases(dataset, options.count, fused=True)
        baselines = _baselines(options) if label == "real" else {}
        for name, measure in (measures | baselines).items():
            row = f"{label}, {name}"
            rows[row], interrupted = _watched(row, measure, cases, options.workers, console)
            write_report(rows[row], cases, options.output / row.replace(", ", "_").replace(" ", "_"))
            (options.output / "table.md").write_text(markdown(rows), encoding="utf-8")
            if interrupted:
                return INTERRUPTED
    console.print(markdown(rows), markup=False)
    return OK


def _loading(options: argparse.Namespace) -> "Loading":
    from training.workers import Loading

    return Loading(options.preset, options.device, options.precision)


def _generating(options: argparse.Namespace, modes: "Iterable[Mode]") -> "dict[str, Measure]":
    from training.workers import generated

    loading, chosen = _loading(options), chosen_options(options)
    _ = loading.pipeline  # a preset that cannot be loaded is told before any work
    return {mode: partial(generated, loading, mode, chosen) for mode in modes}


def _reconstructing(options: argparse.Namespace) -> "dict[str, Measure]":
    from training.evaluate import Shapes
    from training.workers import reconstructed

    loading, chosen = _loading(options), chosen_options(options)
    return {f"autoencoder {what}": partial(reconstructed, loading, what, chosen) for what in get_args(Shapes)}


def _baselines(options: argparse.Namespace) -> "dict[str, Measure]":
    from training.baselines import BASELINES
    from training.evaluate import evaluate_baseline

    wanted = [name for name in BASELINES if name.startswith(tuple(options.baseline))]
    return {name: partial(evaluate_baseline, name) for name in wanted}


def _watched(
    name: str, measure: "Measure", cases: "Sequence[Case]", workers: int, console: "Console"
) -> "tuple[list[Result], bool]":
    """Every case's result, told as it comes, and whether the run was interrupted: what was measured is kept."""
    from training.workers import spread

    results: list[Result] = []
    try:
        for result in spread(measure, cases, workers):
            results.append(result)
            found = "failed" if result.scores is None else f"part IoU {result.scores.part_iou:.2f}"
            console.print(f"{name} {result.name}: {found}, {result.seconds:.1f} s", highlight=False)
    except KeyboardInterrupt:
        return results, True
    return results, False
