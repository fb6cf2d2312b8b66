"""Artifacts over HTTP: whole or by range, never twice to who has them already."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from apg_core.protocol.job import JobStatus
from deployments.errors import ExpiredError, JobNotFoundError
from deployments.http.failures import documented, problem_response, range_problem
from deployments.http.jobs import JobId, checked_id
from deployments.http.request_ids import request_id_of
from deployments.http.service import OwnerDep, ServiceDep

router = APIRouter(tags=["artifacts"])

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class UnsatisfiableRangeError(ValueError):
    """No byte of the file is in the range."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and length of a `Range`; None where all is to be sent (none given, or not a single byte range).

    Raises:
        UnsatisfiableRangeError: it begins beyond the end.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size - 1
    else:
        start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < start:
            return None  # malformed: to be ignored
    if start >= size or (match[1] == "" and int(match[2]) == 0):
        raise UnsatisfiableRangeError
    return start, end - start + 1


@router.head("/v1/jobs/{job_id}/artifacts/{name}", include_in_schema=False)
@router.get(
    "/v1/jobs/{job_id}/artifacts/{name}",
    summary="Fetch an artifact",
    response_class=Response,
    responses={
        200: {"description": "The file", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "A range of it", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "You have it already"},
        **documented(404, 410, 416),
    },
)
def fetch_artifact(
    job_id: JobId,
    name: Annotated[str, Path(description="File name, as the job lists it")],
    request: Request,
    service: ServiceDep,
    owner: OwnerDep,
) -> Response:
    """A part can be fetched as soon as its event is out."""
    job = service.store.get(checked_id(job_id), owner)
    if job.status is JobStatus.EXPIRED:
        raise ExpiredError("the artifacts of this job were removed after the retention time")
    artifact = job.artifact(name)
    if artifact is None or artifact.is_hidden:
        raise JobNotFoundError("this job has no such artifact; the job lists what it has")
    etag = f'"{artifact.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{artifact.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(artifact.bytes)
        return Response(headers=headers, media_type=artifact.media_type)
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    try:
        span = parse_range(wanted, artifact.bytes)
    except UnsatisfiableRangeError:
        problem = range_problem(artifact.bytes, request_id=request_id_of(request))
        return problem_response(problem, headers={"Content-Range": f"bytes */{artifact.bytes}"})
    start, length = span or (0, artifact.bytes)
    headers["Content-Length"] = str(length)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{artifact.bytes}"
    return StreamingResponse(
        service.artifacts.read(artifact, start, length),
        status_code=200 if span is None else 206,
        headers=headers,
        media_type=artifact.media_type,
    )


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in header.split(","))
