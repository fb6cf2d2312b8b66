"""Databases that are busy, damaged or not there."""

import sqlite3
import threading
from pathlib import Path

import pytest

from deployments.errors import StoreError
from deployments.stores.jobs import schema
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.store import JobStore


def test_who_opens_a_new_file_while_another_sets_it_up_waits(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    failures: list[StoreError] = []

    def start() -> None:
        database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
        try:
            schema.prepare(database)
        except StoreError as error:
            failures.append(error)
        finally:
            database.close()

    starting = threading.Thread(target=start)
    starting.start()
    starting.join(timeout=0.5)
    assert starting.is_alive(), failures
    other.execute("COMMIT")
    other.close()
    starting.join()
    assert failures == []


def test_a_database_that_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}",
        "postgresql+psycopg://nobody@127.0.0.1:1/none",
    ):
        database = Database(url)
        with pytest.raises(StoreError):
            JobStore(database).ping()
        database.close()


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database" * 100)
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    with pytest.raises(StoreError):
        schema.prepare(database)
    database.close()
