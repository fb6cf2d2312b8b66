"""What callers see of a job."""

import base64
import binascii
from datetime import UTC, datetime

from apg_core.protocol.job import Job, JobPage, Links
from apg_core.protocol.stage import Stage
from deployments.errors import MalformedRequestError
from deployments.stores.jobs.records import JobRecord, RecordPage
from deployments.stores.jobs.rows import public_artifact


def job_view(record: JobRecord) -> Job:
    """A job as its owner sees it."""
    here = f"/v1/jobs/{record.id}"
    return Job(
        id=record.id,
        status=record.status,
        stage=None if record.stage is None else Stage(record.stage),
        progress=record.progress,
        parts_done=record.parts_done,
        parts_total=record.parts_total,
        queue_position=record.queue_position,
        created_at=_time(record.created_at),
        started_at=None if record.started_at is None else _time(record.started_at),
        finished_at=None if record.finished_at is None else _time(record.finished_at),
        attempt=record.runs,
        seed=record.seed,
        mode=record.mode,
        preset=record.preset,
        options=record.options,
        inputs=record.inputs,
        parent=record.parent,
        edit=record.edit,
        stop_reason=record.stop_reason,
        artifacts=[public_artifact(record.id, one) for one in record.artifacts if not one.is_hidden],
        error=record.error,
        request_id=record.request_id,
        links=Links(self=here, events=f"{here}/events", cancel=f"{here}/cancel"),
    )


def page_view(page: RecordPage) -> JobPage:
    """Some jobs, and the cursor to the next ones."""
    number = page.next_number
    return JobPage(
        jobs=[job_view(record) for record in page.records],
        next_cursor=None if number is None else base64.urlsafe_b64encode(str(number).encode()).decode(),
    )


def number_of(cursor: str) -> int:
    """Where the page of a cursor begins.

    Raises:
        MalformedRequestError: not a cursor that `page_view` made.
    """
    try:
        number = int(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode("ascii"))
    except (UnicodeError, binascii.Error, ValueError) as error:
        raise MalformedRequestError("give a cursor as `next_cursor` gave it, unchanged", field="cursor") from error
    if not 0 < number < 2**63:
        raise MalformedRequestError("give a cursor as `next_cursor` gave it, unchanged", field="cursor")
    return number


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
