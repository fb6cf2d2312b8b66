"""`POST /v1/jobs` and the edits of jobs: from a body to a queued job, or to one that has ended already."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from apg_core.protocol.job import Job
from deployments.desk import Desk, Receipt
from deployments.http.bodies import receive, receive_object
from deployments.http.description import EDIT, SUBMISSION
from deployments.http.failures import documented
from deployments.http.jobs import JobId
from deployments.http.request_ids import request_id_of
from deployments.http.service import DeskDep, OwnerDep, root_of
from deployments.limits import ServiceLimits
from deployments.uploads import upload_folder

router = APIRouter(tags=["jobs"])

_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])")
_LINKS = {
    "Location": {"description": "The job", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request made the job",
        "schema": {"type": "string"},
    },
}


IdempotencyHeader = Annotated[
    str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="Your name for this request")
]
PreferHeader = Annotated[str | None, Header(description="`wait=N`: wait up to N seconds for the end")]


@router.post(
    "/v1/jobs",
    status_code=202,
    response_model=Job,
    summary="Submit a job",
    responses={
        200: {"model": Job, "description": "It ended within the time to wait"},
        202: {"description": "It is queued", "headers": _LINKS},
        **documented(400, 413, 415, 429),
    },
    openapi_extra={"requestBody": SUBMISSION},
)
async def submit_job(
    request: Request,
    response: Response,
    desk: DeskDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> Job:
    """Give an image, a mesh, or both; with an image also a part mask."""
    with upload_folder(file_bytes=desk.limits.upload_bytes) as folder:
        upload = await receive(request, folder, json_bytes=desk.limits.json_bytes)
        receipt = await desk.submit(upload, owner=owner, key=idempotency_key, request_id=request_id_of(request))
    return (await _answered(receipt, response, desk, owner, prefer)).under(_rooted(request, response))


@router.post(
    "/v1/jobs/{job_id}/edits",
    status_code=202,
    response_model=Job,
    summary="Edit a job",
    responses={
        200: {"model": Job, "description": "It ended within the time to wait"},
        202: {"description": "It is queued", "headers": _LINKS},
        **documented(400, 404, 409, 410, 413, 415, 429),
    },
    openapi_extra={"requestBody": EDIT},
)
async def edit_job(
    job_id: JobId,
    request: Request,
    response: Response,
    desk: DeskDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyHeader = None,
    prefer: PreferHeader = None,
) -> Job:
    """A new job that changes what this one has made: go on, make parts again, merge, split, remove, rename, reorder.

    The job stays as it is, and its inputs are not sent again.
    """
    asked = await receive_object(request)
    receipt = await desk.edit(job_id, asked, owner=owner, key=idempotency_key, request_id=request_id_of(request))
    return (await _answered(receipt, response, desk, owner, prefer)).under(_rooted(request, response))


def _rooted(request: Request, response: Response) -> str:
    root = root_of(request)
    response.headers["Location"] = root + response.headers["Location"]
    return root


async def _answered(receipt: Receipt, response: Response, desk: Desk, owner: str, prefer: str | None) -> Job:
    job = receipt.job
    response.headers["Location"] = job.links.self
    if receipt.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    if (seconds := _seconds_to_wait(prefer, desk.limits)) is not None:
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
        job = await desk.wait(job, owner, seconds=seconds)
        if job.status.is_terminal:
            response.status_code = 200
    return job


def _seconds_to_wait(prefer: str | None, limits: ServiceLimits) -> float | None:
    match = _WAIT.search(prefer or "")
    return None if match is None else min(float(match[1]), limits.wait_seconds)
