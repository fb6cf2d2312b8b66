"""Steps from one schema of the job store to the next (alembic)."""
