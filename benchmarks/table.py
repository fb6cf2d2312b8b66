"""One row of a benchmark: the plain way and ours, measured in the same run."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What both ways cost, in the same unit; smaller is better."""

    name: str
    plain: float
    ours: float
    unit: str

    @property
    def ratio(self) -> float:
        """How many times less ours costs."""
        return self.plain / self.ours


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| what | plain way | this project | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.plain:,.3g} {row.unit} | {row.ours:,.3g} {row.unit} | {row.ratio:.1f}x |" for row in rows
    ]
    return "\n".join(lines)
