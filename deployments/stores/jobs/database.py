"""The database behind the job store: SQLite in a file, or PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from deployments.errors import StoreError

_BUSY_SECONDS, _BUSY_PAUSE = 5.0, 0.01
_CONNECT_SECONDS = 5
_SUBMISSIONS_LOCK = 0x41504753  # any fixed number that no one else uses: "APGS"


class Database:
    """Transactions over one engine; a database that cannot be reached is a `StoreError`.

    Thread safe. On SQLite a writing transaction takes the write lock at its beginning, so that two of them
    queue up instead of failing half way.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._reading = self.engine.execution_options(reading=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at the end."""
        with _unreachable_is_store_error(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the tables."""
        with _unreachable_is_store_error(), self._reading.connect() as connection:
            yield connection

    def queue_up(self, connection: Connection) -> None:
        """Let one submission at a time count the queue and add to it (SQLite's write lock does so anyway)."""
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SUBMISSIONS_LOCK})

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def put_row(
    connection: Connection,
    table: Table,
    *,
    key: Mapping[str, object],
    values: Mapping[str, object],
    combine: Callable[[str, object], ColumnElement[object] | object] = lambda _, new: new,
) -> None:
    """Insert a row, or change the one that has its key: a column becomes `combine(column, new)`."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    changes = {name: combine(name, value) for name, value in values.items()}
    statement = insert(table).values({**key, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes))


@contextmanager
def _unreachable_is_store_error() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreError("the job store cannot be reached; try again shortly") from error
    except DatabaseError as error:
        if type(error) is DatabaseError:  # SQLite: not a database, or a damaged one; subclasses are our mistakes
            raise StoreError("the job store cannot be read") from error
        raise


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed, pool_pre_ping=True, pool_size=5, connect_args={"connect_timeout": _CONNECT_SECONDS}
        )
    engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    # FULL: a job that was answered 202 outlives a power cut too.
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    # Two that change the mode of a new file together wait for each other: SQLite lets one fail at once.
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
