"""Files that several jobs have: those of an edited job are its edits', too.

A file lies in the folder of the job that wrote it, and is there as long as one job that is neither deleted nor expired
has it. What a job's end of life may remove is asked for here, after the job has become deleted or expired: from then on
nobody can begin to share its files.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from apg_core.protocol.job import JobStatus
from deployments.stores.jobs.tables import artifacts, jobs

_THERE = ~jobs.c.deleted & (jobs.c.status != JobStatus.EXPIRED)


def folders_left_by(connection: Connection, job_id: str) -> Mapping[str, frozenset[str]]:
    """Folders with nobody to keep them once this job is gone, each with the keys in it that other jobs still have."""
    mine = connection.execute(select(artifacts.c.key).where(artifacts.c.job_id == job_id)).scalars()
    folders = {job_id} | {key.partition("/")[0] for key in mine}
    owners = select(jobs.c.id).where(jobs.c.id.in_(folders - {job_id}), _THERE)
    folders -= set(connection.execute(owners).scalars())
    return {folder: _shared_in(connection, folder, but=job_id) for folder in sorted(folders)}


def keys_in(connection: Connection, job_id: str) -> frozenset[str]:
    """Keys in the folder of a job that this or another one has."""
    own = connection.execute(select(artifacts.c.key).where(artifacts.c.job_id == job_id)).scalars()
    return frozenset(own) | _shared_in(connection, job_id, but=job_id)


def _shared_in(connection: Connection, folder: str, *, but: str) -> frozenset[str]:
    """Keys in this folder that edits have, other than one job."""
    shared = (
        select(artifacts.c.key)
        .join(jobs, jobs.c.id == artifacts.c.job_id)
        .where(jobs.c.parent.is_not(None), jobs.c.id != but, _THERE)
    )
    return frozenset(connection.execute(shared.where(artifacts.c.key.startswith(f"{folder}/"))).scalars())
