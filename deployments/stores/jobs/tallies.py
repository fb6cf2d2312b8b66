"""Running totals that outlive every process: what `/metrics` shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from apg_core.protocol.job import JobStatus
from deployments.stores.jobs.database import Database, put_row
from deployments.stores.jobs.records import Tally
from deployments.stores.jobs.tables import jobs, tallies

SECONDS_BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Upper bounds of the buckets in which durations are counted."""
PARTS_BOUNDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Upper bounds of the buckets in which parts of a job are counted."""


@dataclass(frozen=True)
class Readings:
    """All totals, and what the queue looks like now."""

    totals: Mapping[str, Mapping[str, float]]
    """Per name: label -> total."""
    by_status: Mapping[JobStatus, int] = field(default_factory=dict)
    oldest_queued_at: float | None = None


def observed(name: str, value: float, *, bounds: tuple[float, ...] = SECONDS_BOUNDS, label: str = "") -> Tally:
    """What one observation of a histogram adds: its bucket and its sum."""
    bound = next((one for one in bounds if value <= one), float("inf"))
    prefix = f"{label}|" if label else ""
    return {(name, f"{prefix}le={bound:g}"): 1.0, (name, f"{prefix}sum"): value}


def add(connection: Connection, tally: Tally) -> None:
    """Add to the totals, inside the transaction of the change that they count."""
    for (name, label), amount in sorted(tally.items()):
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
        totals: dict[str, dict[str, float]] = {}
        for row in connection.execute(select(tallies)):
            totals.setdefault(row.name, {})[row.label] = row.value
        counted = select(jobs.c.status, func.count().label("jobs")).where(~jobs.c.deleted).group_by(jobs.c.status)
        by_status = {JobStatus(row.status): row.jobs for row in connection.execute(counted)}
        oldest = select(func.min(jobs.c.created_at)).where(jobs.c.status == JobStatus.QUEUED)
        return Readings(totals, by_status, connection.execute(oldest).scalar())
