"""Jobs that are edits have a parent, and what was asked of it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("parent", sa.String(32)))
    op.add_column("jobs", sa.Column("edit", sa.JSON()))
    op.create_index("ix_jobs_parent", "jobs", ["parent"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_jobs_parent", "jobs")
    op.drop_column("jobs", "edit")
    op.drop_column("jobs", "parent")
