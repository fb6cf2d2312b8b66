"""Runs migrations on the connection that `deployments.stores.jobs.schema` hands over."""

from alembic import context

from deployments.stores.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite has it too, once the transaction is begun by hand
)
with context.begin_transaction():
    context.run_migrations()
