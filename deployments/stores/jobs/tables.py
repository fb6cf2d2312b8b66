"""Tables of the job store; `migrations/` makes them, step by step.

Times are seconds since 1970 (UTC) of the clock of the machine that writes: machines of one cluster must agree
to well within a lease.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up an INTEGER key only

jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),  # order of arrival
    Column("id", String(32), nullable=False, unique=True),
    Column("owner", String(100), nullable=False),
    Column("status", String(16), nullable=False),
    Column("stage", String(16)),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("parts_done", Integer, nullable=False, server_default=text("0")),
    Column("parts_total", Integer),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("seed", BigInteger, nullable=False),
    Column("mode", String(32), nullable=False),
    Column("preset", String(200), nullable=False, server_default=text("''")),  # empty: whichever the service had
    Column("options", JSON, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("stop_reason", String(64)),
    Column("error", JSON(none_as_null=True)),
    Column("request_id", String(200)),
    Column("checkpoint", JSON(none_as_null=True)),  # what a resumed run needs beside its accepted parts
    Column("lease", String(200)),  # who holds it; a new value at each claim
    Column("lease_until", Double),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("parent", String(32)),  # of an edit: the job that was edited, which may be gone
    Column("edit", JSON(none_as_null=True)),  # what was asked of it
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("last_event", Integer, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
Index("ix_jobs_status_number", jobs.c.status, jobs.c.number)
Index("ix_jobs_owner_number", jobs.c.owner, jobs.c.number)
Index("ix_jobs_parent", jobs.c.parent)


def _job_id() -> Column[str]:
    return Column("job_id", String(32), ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False)


events = Table(
    "events",
    metadata,
    _job_id(),
    Column("id", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("job_id", "id"),
)

parts = Table(
    "parts",
    metadata,
    _job_id(),
    Column("part", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    PrimaryKeyConstraint("job_id", "part"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _job_id(),
    Column("name", String(100), nullable=False),
    Column("key", String(300), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    PrimaryKeyConstraint("job_id", "name"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(100), nullable=False),
    Column("key", String(255), nullable=False),
    Column("body_sha256", String(64), nullable=False),
    _job_id(),
    Column("created_at", Double, nullable=False),
    PrimaryKeyConstraint("owner", "key"),
)

tallies = Table(
    "tallies",
    metadata,
    Column("name", String(64), nullable=False),
    Column("label", String(64), nullable=False),
    Column("value", Double, nullable=False),
    PrimaryKeyConstraint("name", "label"),
)
