"""Every benchmark of the library in one run, as the table that the README shows.

Run with `make bench`. Absolute numbers are this machine's; the ratios are what counts.
"""

import os
import platform
import sys
from importlib import import_module

import torch

from benchmarks.table import Row, as_markdown

SUBJECTS = ("geometry", "sampling")


def main() -> int:
    """Measure, print the table."""
    rows: list[Row] = []
    for subject in SUBJECTS:
        print(f"measuring {subject} ...", file=sys.stderr, flush=True)
        rows += import_module(f"benchmarks.{subject}").rows()
    print(f"torch {torch.__version__}, {os.cpu_count()} CPUs, {platform.machine()}\n")
    print(as_markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
