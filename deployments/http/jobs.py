"""Routes of one job and of many: look, list, follow, cancel, delete."""

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from apg_core.protocol.job import Event, Job, JobPage, JobStatus
from deployments.errors import JobNotFoundError
from deployments.http.failures import documented
from deployments.http.service import OwnerDep, ServiceDep
from deployments.http.views import job_view, number_of, page_view

router = APIRouter(tags=["jobs"])

_ID = re.compile(r"[0-9a-f]{32}")
RETRY_AFTER_SECONDS = "1"
JobId = Annotated[str, Path(description="The id that the submission was answered with")]


def checked_id(job_id: str) -> str:
    """This id, if it can be one.

    Raises:
        JobNotFoundError: there is no such job, whatever the store says.
    """
    if _ID.fullmatch(job_id) is None:
        raise JobNotFoundError("there is no such job; its id is in the answer to its submission")
    return job_id


@router.get("/v1/jobs", summary="List jobs", responses=documented(400))
def list_jobs(
    service: ServiceDep,
    owner: OwnerDep,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
) -> JobPage:
    """Your jobs, newest first."""
    before = None if cursor is None else number_of(cursor)
    return page_view(service.store.page(owner, limit=limit, before=before, status=status))


@router.get("/v1/jobs/{job_id}", summary="Look at a job", responses=documented(404))
def get_job(job_id: JobId, response: Response, service: ServiceDep, owner: OwnerDep) -> Job:
    """How far it is, what it has made, how it ended."""
    job = job_view(service.store.get(checked_id(job_id), owner))
    if not job.status.is_terminal:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return job


@router.post("/v1/jobs/{job_id}/cancel", summary="Cancel a job", responses=documented(404))
def cancel_job(job_id: JobId, service: ServiceDep, owner: OwnerDep) -> Job:
    """Stop it, within one denoising step where it runs; parts that it has accepted stay. No harm if it has ended."""
    return job_view(service.store.cancel(checked_id(job_id), owner))


@router.delete("/v1/jobs/{job_id}", status_code=204, summary="Delete a job", responses=documented(404))
def delete_job(job_id: JobId, service: ServiceDep, owner: OwnerDep) -> None:
    """Cancel it, and remove it with all its artifacts."""
    if service.store.hide(checked_id(job_id), owner):
        service.artifacts.remove_job(job_id)
        service.store.remove(job_id)


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Server-sent events; the data of each is an Event",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **documented(404),
    },
)
async def follow_job(
    job_id: JobId,
    service: ServiceDep,
    owner: OwnerDep,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**31 - 1, description="Go on after this event")] = None,
) -> EventSourceResponse:
    """All events from the start, or after `Last-Event-ID`, as they come; ends after the last one."""
    await run_in_threadpool(service.store.get, checked_id(job_id), owner)
    events = service.feed.follow(job_id, owner, after=last_event_id or 0)
    unbuffered = {"X-Accel-Buffering": "no"}  # for reverse proxies that understand it
    return EventSourceResponse(_sent(events), ping=service.heartbeat_seconds, headers=unbuffered)


async def _sent(events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    async for event in events:
        yield ServerSentEvent(event.model_dump_json(), event=event.type, id=str(event.id))
