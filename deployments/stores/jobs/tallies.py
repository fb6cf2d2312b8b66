"""Running totals that outlive every process: what `/metrics` shows."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

from sqlalchemy import Connection, func, select

from apg_core.protocol.job import JobStatus
from deployments.stores.jobs.database import Database, put_row
from deployments.stores.jobs.tables import jobs, tallies

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_COUNTS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Total(StrEnum):
    """What is counted."""

    SUBMITTED = "submitted"
    FINISHED = "finished"
    TAKEN_OVER = "taken_over"
    RETRIED = "retried"
    ATTEMPTS = "attempts"


@dataclass(frozen=True)
class Measure:
    """What is observed, and the upper bounds of the buckets that observations fall into; a last one has no bound."""

    name: str
    bounds: tuple[float, ...]


QUEUE_SECONDS = Measure("queue_seconds", _SECONDS)
JOB_SECONDS = Measure("job_seconds", _SECONDS)
STAGE_SECONDS = Measure("stage_seconds", _SECONDS)
JOB_PARTS = Measure("job_parts", _COUNTS)
JOB_RUNS = Measure("job_attempts", _COUNTS)
MEASURES = (QUEUE_SECONDS, JOB_SECONDS, STAGE_SECONDS, JOB_PARTS, JOB_RUNS)


@dataclass(frozen=True)
class Histogram:
    """Observations by bucket."""

    measure: Measure
    counts: Mapping[float, float] = field(default_factory=dict)
    """Per upper bound of a bucket, how many fell into it."""
    sum: float = 0.0

    def cumulative(self) -> list[tuple[float, float]]:
        """Each bound, infinity the last, and how many observations were not above it."""
        bounds = (*self.measure.bounds, math.inf)
        return list(zip(bounds, accumulate(self.counts.get(bound, 0.0) for bound in bounds), strict=True))


class Tally:
    """What is to be added to the totals."""

    def __init__(self) -> None:
        self._amounts: defaultdict[tuple[str, str], float] = defaultdict(float)

    def count(self, total: Total, by: float = 1.0, *, label: str = "") -> None:
        """So many more."""
        self._amounts[total.value, label] += by

    def observe(self, measure: Measure, value: float, *, label: str = "") -> None:
        """One observation more."""
        bound = next((bound for bound in measure.bounds if value <= bound), math.inf)
        self._amounts[measure.name, _row_label(label, f"{_BUCKET}{bound:g}")] += 1.0
        self._amounts[measure.name, _row_label(label, _SUM)] += value

    def include(self, other: "Tally") -> None:
        """All of the other too."""
        for row, amount in other.rows():
            self._amounts[row] += amount

    def rows(self) -> Iterator[tuple[tuple[str, str], float]]:
        """Amounts by (name, label) as the table has them, in an order in which two writers cannot block each other."""
        yield from sorted(self._amounts.items())


@dataclass(frozen=True)
class Readings:
    """All totals, and what the queue looks like now."""

    totals: Mapping[Total, Mapping[str, float]] = field(default_factory=dict)
    """Label -> count."""
    histograms: Mapping[str, Mapping[str, Histogram]] = field(default_factory=dict)
    """Name of the measure -> label -> observations."""
    by_status: Mapping[JobStatus, int] = field(default_factory=dict)
    oldest_queued_at: float | None = None


def add(connection: Connection, tally: Tally) -> None:
    """Add to the totals, inside the transaction of the change that they count."""
    for (name, label), amount in tally.rows():
        put_row(
            connection,
            tallies,
            key={"name": name, "label": label},
            values={"value": amount},
            combine=lambda column, new: tallies.c[column] + new,
        )


def read(database: Database) -> Readings:
    """The totals and the state of the queue, from one view of the tables."""
    with database.reading() as connection:
        values: dict[str, dict[str, float]] = {}
        for row in connection.execute(select(tallies)):
            values.setdefault(row.name, {})[row.label] = row.value
        counted = select(jobs.c.status, func.count().label("jobs")).where(~jobs.c.deleted).group_by(jobs.c.status)
        oldest = select(func.min(jobs.c.created_at)).where(jobs.c.status == JobStatus.QUEUED)
        return Readings(
            totals={total: values.get(total.value, {}) for total in Total},
            histograms={measure.name: _histograms(measure, values.get(measure.name, {})) for measure in MEASURES},
            by_status={JobStatus(row.status): row.jobs for row in connection.execute(counted)},
            oldest_queued_at=connection.execute(oldest).scalar(),
        )


# A histogram has a row a bucket and one for the sum: `LABEL|le=BOUND` and `LABEL|sum`, or without `LABEL|`.
_BUCKET, _SUM = "le=", "sum"


def _row_label(label: str, column: str) -> str:
    return f"{label}|{column}" if label else column


def _histograms(measure: Measure, rows: Mapping[str, float]) -> dict[str, Histogram]:
    counts: defaultdict[str, dict[float, float]] = defaultdict(dict)
    sums: dict[str, float] = {}
    bounds = {f"{_BUCKET}{bound:g}": bound for bound in (*measure.bounds, math.inf)}
    for row_label, value in rows.items():
        label, _, column = row_label.rpartition("|")
        if column == _SUM:
            sums[label] = value
        else:
            counts[label][bounds[column]] = value
    return {label: Histogram(measure, counts[label], sums.get(label, 0.0)) for label in sorted(counts)}
