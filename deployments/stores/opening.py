"""Opening the stores that the settings name."""

from dataclasses import dataclass

from apg_core.errors import OutputError
from deployments.settings import StoreSettings
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs import schema
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.leases import JobLeases
from deployments.stores.jobs.retention import Retention
from deployments.stores.jobs.store import JobStore


@dataclass(frozen=True)
class Stores:
    """The job store and the artifact store, ready to use."""

    settings: StoreSettings
    database: Database
    artifacts: ArtifactStore

    @property
    def jobs(self) -> JobStore:
        """Jobs as callers see them."""
        return JobStore(self.database)

    @property
    def leases(self) -> JobLeases:
        """Jobs as runners see them."""
        return JobLeases(self.database, lease_seconds=self.settings.lease_seconds, max_runs=self.settings.max_attempts)

    @property
    def retention(self) -> Retention:
        """What ends, expires and goes."""
        return Retention(
            self.database,
            retention_seconds=self.settings.retention_hours * 3600,
            max_runs=self.settings.max_attempts,
        )

    def ping(self) -> None:
        """Raise `StoreError` unless both answer."""
        JobStore(self.database).ping()
        self.artifacts.ping()


def open_stores(settings: StoreSettings) -> Stores:
    """Open both stores; an empty or older job store is brought up to date.

    Raises:
        StoreError: one of them cannot be reached.
        SchemaError: the job store is of a version that this program does not know.
    """
    if settings.database_url is None:
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {settings.folder}: {error.strerror}") from error
    database = Database(settings.database)
    schema.prepare(database)
    return Stores(settings, database, ArtifactStore(settings.artifacts))
