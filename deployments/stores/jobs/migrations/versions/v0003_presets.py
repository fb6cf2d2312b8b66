"""Jobs have a preset; those of before have the one that their service ran."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("preset", sa.String(200), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "preset")
