"""Keeps the stores tidy: what lapsed, expired, was deleted or replaced, lacks its archive, or belongs to no job."""

import logging
import time

from apg_core.errors import OutputError
from apg_core.pipeline.ending import OutputFile
from deployments.errors import ExpiredError, StoreError
from deployments.running.archive import ARCHIVE, archive_of
from deployments.stores.jobs.records import JobRecord
from deployments.stores.jobs.retention import Ended
from deployments.stores.opening import Stores

log = logging.getLogger(__name__)

STRAY_SECONDS = 600.0  # how often files without a job are looked for
STRAY_AGE_SECONDS = 3600.0  # a submission writes its inputs before its job is there; a draft may be read still
SWEPT_AT_ONCE = 20


class Tidying:
    """Every worker does it, at any time; it waits for the stores, so call it from a thread."""

    def __init__(self, stores: Stores) -> None:
        self._artifacts = stores.artifacts
        self._retention = stores.retention
        self._next_look = 0.0
        self._swept = Ended(0.0, 0, "")

    def tidy(self) -> None:
        """Once through all of it.

        Raises:
            StoreError: a store cannot be reached.
        """
        self._retention.settle()
        self._retention.drop_old()
        for job_id in self._retention.due():
            self._remove_files(job_id)
            self._retention.forget(job_id)
        for job in self._retention.without_archive(ARCHIVE):
            self._archive(job)
        self._remove_replaced()
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + STRAY_SECONDS
            self._remove_strays()

    def _remove_files(self, job_id: str) -> None:
        """Those of a job that no other has."""
        for folder, keep in self._retention.folders_left_by(job_id).items():
            self._artifacts.remove_job(folder, keep=keep)

    def _archive(self, job: JobRecord) -> None:
        """The accepted parts of a job that ended while no runner had it, in one file."""
        try:
            visible = [one for one in job.artifacts if not one.is_hidden]
            archive = archive_of(OutputFile(one.name, self._artifacts.get(one)) for one in visible)
            self._retention.add_archive(job.id, self._artifacts.put(job.id, job.runs, archive.name, archive.content))
        except (OutputError, ExpiredError, StoreError):  # each part is there all the same
            log.warning("no archive of the accepted parts", exc_info=True, extra={"job": job.id})

    def _remove_replaced(self) -> None:
        """Files of ended jobs that no job has any more: drafts of its parts, and what killed runs have left."""
        before = time.time() - STRAY_AGE_SECONDS
        for job in self._retention.ended(after=self._swept, before=before, limit=SWEPT_AT_ONCE):
            self._artifacts.remove_files(job.job_id, keep=self._retention.keys_in(job.job_id), before=before)
            self._swept = job

    def _remove_strays(self) -> None:
        """Files of submissions that were killed before their job was queued."""
        for job_id in self._retention.unknown(self._artifacts.jobs()):
            if self._artifacts.last_written(job_id) < time.time() - STRAY_AGE_SECONDS:
                self._remove_files(job_id)
                log.info("files without a job removed", extra={"job": job_id})
