"""Every benchmark of the library in one run, as the table that the README shows.

Run with `make bench`, or `make bench BEFORE=REVISION`, which measures that revision beside this tree,
and whole generations too. Absolute numbers are this machine's, with one thread; the ratios are what counts.
"""

import argparse
import os
import platform
import sys
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module

import torch

from benchmarks import generation
from benchmarks.earlier import earlier_tree, run_in
from benchmarks.table import Row, as_markdown, own_figures

SUBJECTS = ("geometry", "sampling")


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="REVISION", default="", help="an earlier revision to measure too")
    before = parser.parse_args().before
    torch.set_num_threads(1)
    with ExitStack() as stack:
        tree = stack.enter_context(earlier_tree(before)) if before else None
        rows: list[Row] = []
        for subject in SUBJECTS:
            print(f"measuring {subject} ...", file=sys.stderr, flush=True)
            rows += import_module(f"benchmarks.{subject}").rows()
        if tree:
            print(f"measuring {before} ...", file=sys.stderr, flush=True)
            earlier = own_figures(run_in(tree, "-m", "benchmarks.run"))
            rows = [replace(row, before=earlier.get(row.name)) for row in rows]
            print("measuring whole generations ...", file=sys.stderr, flush=True)
            rows += generation.rows(tree, repeats=generation.REPEATS)
    print(f"torch {torch.__version__}, {os.cpu_count()} CPUs, {platform.machine()}\n")
    print(as_markdown(rows, before=before))
    return 0


if __name__ == "__main__":
    sys.exit(main())
