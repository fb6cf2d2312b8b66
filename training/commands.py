"""The `apg eval` command."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from apg_core.cli import INTERRUPTED, OK
from apg_core.flags import Subparsers, add_option_flags, chosen_options
from apg_core.protocol.mode import Mode


def add_commands(commands: Subparsers) -> None:
    """Add the commands of this module to `apg`."""
    about = (
        "Generate objects whose parts are known, and say how good the parts are. DATASET is a procedural split "
        "(validation, test, kept_out) or a folder of objects whose parts are separate meshes or GLB nodes."
    )
    parser = commands.add_parser("eval", help="measure a preset's quality", description=about)
    parser.add_argument("dataset", help="validation, test, kept_out, or a folder")
    parser.add_argument("--modes", nargs="+", choices=get_args(Mode), default=["mesh"], metavar="MODE")
    parser.add_argument("--count", type=int, default=100, help="objects at most [100]")
    parser.add_argument("--output", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument("--reconstruction", action="store_true", help="also measure the autoencoder alone")
    parser.add_argument("--preset", default="tiny", help="a preset, or the path of a config file [tiny]")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... [cuda where there is one]")
    add_option_flags(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from rich.console import Console  # these imports take seconds

    from apg_core.pipeline.local import load_pipeline
    from training.evaluate import Result, evaluate, find_cases, reconstruct
    from training.report import table, write_report

    chosen = chosen_options(options)
    cases = find_cases(options.dataset, options.count)
    pipeline = load_pipeline(options.preset, options.device)
    console = Console(file=sys.stdout)

    summaries: dict[str, dict[str, float]] = {}
    interrupted = False
    for mode in options.modes:
        results: list[Result] = []
        try:
            for result in evaluate(pipeline, cases, mode=mode, options=chosen):
                results.append(result)
                found = "failed" if result.scores is None else f"part IoU {result.scores.part_iou:.2f}"
                console.print(f"{result.mode} {result.name}: {found}, {result.seconds:.1f} s", highlight=False)
        except KeyboardInterrupt:
            interrupted = True  # what was measured is worth keeping
        summaries[mode] = write_report(results, cases, options.output / mode)
        if interrupted:
            break
    if options.reconstruction and not interrupted:
        summaries["autoencoder"] = reconstruct(pipeline, cases)
    console.print(table(summaries))
    return INTERRUPTED if interrupted else OK
