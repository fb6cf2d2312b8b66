"""Routes of one job and of many: look, list, follow, cancel, delete."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from apg_core.protocol.job import Event, Job, JobPage, JobStatus
from deployments.http.failures import documented
from deployments.http.service import DeskDep, OwnerDep, RootDep

router = APIRouter(tags=["jobs"])

RETRY_AFTER_SECONDS = "1"
JobId = Annotated[str, Path(description="The id that the submission was answered with")]


@router.get("/v1/jobs", summary="List jobs", responses=documented(400))
def list_jobs(
    desk: DeskDep,
    owner: OwnerDep,
    root: RootDep,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
) -> JobPage:
    """Your jobs, newest first."""
    page = desk.page(owner, status=status, limit=limit, cursor=cursor)
    return page.model_copy(update={"jobs": [job.under(root) for job in page.jobs]})


@router.get("/v1/jobs/{job_id}", summary="Look at a job", responses=documented(404))
def get_job(job_id: JobId, response: Response, desk: DeskDep, owner: OwnerDep, root: RootDep) -> Job:
    """How far it is, what it has made, how it ended."""
    job = desk.get(job_id, owner)
    if not job.status.is_terminal:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return job.under(root)


@router.post("/v1/jobs/{job_id}/cancel", summary="Cancel a job", responses=documented(404))
def cancel_job(job_id: JobId, desk: DeskDep, owner: OwnerDep, root: RootDep) -> Job:
    """Stop it, within one denoising step where it runs; parts that it has accepted stay. No harm if it has ended."""
    return desk.cancel(job_id, owner).under(root)


@router.delete("/v1/jobs/{job_id}", status_code=204, summary="Delete a job", responses=documented(404))
def delete_job(job_id: JobId, desk: DeskDep, owner: OwnerDep) -> None:
    """Cancel it, and remove it with all its artifacts."""
    desk.delete(job_id, owner)


async def _followed(
    job_id: JobId,
    desk: DeskDep,
    owner: OwnerDep,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**31 - 1, description="Go on after this event")] = None,
) -> AsyncIterator[Event]:
    return await desk.follow(job_id, owner, after=last_event_id or 0)


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={200: {"description": "Server-sent events; the data of each is an Event"}, **documented(404)},
)
async def follow_job(
    events: Annotated[AsyncIterator[Event], Depends(_followed)], root: RootDep
) -> AsyncIterator[Event]:
    """All events from the start, or after `Last-Event-ID`, as they come; ends after the last one.

    A comment comes after 15 s of silence.
    """
    async for event in events:
        yield ServerSentEvent(data=event.under(root), event=event.type, id=str(event.id))
