"""How much GPU memory the networks of a preset take, and how many objects a GPU can have in flight.

    python -m cluster.sizing            prints the tables of docs/cluster.md

The figures are those of `apg_core.pipeline.memory`.
"""

import sys
from collections.abc import Sequence

from apg_core.pipeline.memory import CUDA_CONTEXT, GB, GPU_PROCESSES, ROWS_OF_AN_OBJECT, memory
from apg_core.presets import load_preset

CARDS = {"12 GB": 12, "24 GB": 24, "48 GB": 48, "80 GB": 80, "141 GB": 141}
PRESETS = ("autopartgen-2048", "autopartgen-4096")


def tables() -> str:
    """Both tables in Markdown."""
    by_preset = {name: memory(load_preset(name)) for name in PRESETS}
    names = list(next(iter(by_preset.values())).weights)
    rows = [[f"{name} (weights)", *(_gb(each.weights[name]) for each in by_preset.values())] for name in names]
    rows += [
        ["decoding a field", *(_gb(each.decoding) for each in by_preset.values())],
        [f"CUDA, {GPU_PROCESSES} processes", *(_gb(GPU_PROCESSES * CUDA_CONTEXT) for _ in by_preset)],
        ["**before any object**", *(f"**{_gb(each.fixed)}**" for each in by_preset.values())],
        ["each row: context", *(_gb(each.context_of_a_row) for each in by_preset.values())],
        ["each row: activations", *(_gb(each.activations_of_a_row) for each in by_preset.values())],
    ]
    fits = [[card, *(_fit(each.rows_on(size * GB)) for each in by_preset.values())] for card, size in CARDS.items()]
    return _table(["GB", *by_preset], rows) + "\n" + _table(["GPU", *by_preset], fits)


def _fit(rows: int) -> str:
    return f"{rows} rows, {rows // ROWS_OF_AN_OBJECT} objects" if rows else "does not fit"


def _gb(value: float) -> str:
    return f"{value / GB:.2f}"


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(tables())
