"""One row of a benchmark: the plain way, an earlier state of this project, and this tree, measured in the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What each costs, in the same unit; smaller is better. `before` and `plain` are missing where nobody has them."""

    name: str
    plain: float | None
    ours: float
    unit: str
    before: float | None = None


def as_markdown(rows: Sequence[Row], *, before: str = "before") -> str:
    """The rows as a table, with how many times less ours costs; `before` names the earlier state."""
    others = {"plain way": [row.plain for row in rows], before: [row.before for row in rows]}
    columns = {name: values for name, values in others.items() if any(value is not None for value in values)}
    header = ["what", *columns, "this project", *(f"{name} / ours" for name in columns)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for place, row in enumerate(rows):
        costs = [values[place] for values in columns.values()]
        cells = [row.name, *(_figure(cost, row.unit) for cost in [*costs, row.ours])]
        cells += ["" if cost is None else f"{cost / row.ours:.1f}x" for cost in costs]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def own_figures(markdown: str) -> Mapping[str, float]:
    """What a printed table says of the project that printed it, by name of the row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line[:1] == "|"]
    place = rows[0].index("this project")
    return {cells[0]: float(cells[place].split()[0].replace(",", "")) for cells in rows[2:]}


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.3g} {unit}".strip()
