"""Brings a database to the schema of this program, and refuses one that it does not know."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from deployments.errors import SchemaError
from deployments.stores.jobs.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def prepare(database: Database) -> None:
    """Make the tables in an empty database, or bring an older schema up to date.

    Processes that start together queue up; the first does it.

    Raises:
        SchemaError: the database belongs to a newer program, or to another one.
        StoreError: it cannot be reached.
    """
    with database.writing() as connection:
        database.queue_up(connection)
        config = _config(connection)
        scripts = ScriptDirectory.from_config(config)
        head = scripts.get_current_head()
        current = MigrationContext.configure(connection).get_current_revision()
        if current == head:
            return
        known = {script.revision for script in scripts.walk_revisions()}
        if current is not None and current not in known:
            raise SchemaError(
                f"the job store has schema {current!r}, and this version knows none after {head!r}; "
                "run the version that made it, or give another store"
            )
        command.upgrade(config, "head")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
