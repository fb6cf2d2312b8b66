"""Artifacts over HTTP: whole or by range, never twice to who has them already."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from deployments.http.failures import documented, problem_response, range_problem
from deployments.http.jobs import JobId
from deployments.http.ranges import UnsatisfiableRangeError, parse_range
from deployments.http.request_ids import request_id_of
from deployments.http.service import DeskDep, OwnerDep
from deployments.stores.jobs.records import StoredArtifact

router = APIRouter(tags=["artifacts"])
_BYTES = {"schema": {"type": "string", "format": "binary"}}
# Many makers of clients know no `*/*`, and leave out what has nothing else.
_FILE = {"content": {"application/octet-stream": _BYTES, "*/*": _BYTES}}


@router.head("/v1/jobs/{job_id}/artifacts/{name}", include_in_schema=False)
@router.get(
    "/v1/jobs/{job_id}/artifacts/{name}",
    summary="Fetch an artifact",
    response_class=Response,
    responses={
        200: {"description": "The file", **_FILE},
        206: {"description": "A range of it", **_FILE},
        304: {"description": "You have it already"},
        **documented(404, 410, 416),
    },
)
def fetch_artifact(
    job_id: JobId,
    name: Annotated[str, Path(description="File name, as the job lists it")],
    request: Request,
    desk: DeskDep,
    owner: OwnerDep,
) -> Response:
    """A part can be fetched as soon as its event is out."""
    artifact = desk.artifact(job_id, name, owner)
    headers = _headers(artifact)
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(artifact.bytes)}, media_type=artifact.media_type)
    unchanged = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    try:
        span = parse_range(request.headers.get("range") if unchanged else None, artifact.bytes)
    except UnsatisfiableRangeError:
        problem = range_problem(artifact.bytes, request_id=request_id_of(request))
        return problem_response(problem, headers={"Content-Range": f"bytes */{artifact.bytes}"})
    start, length = span or (0, artifact.bytes)
    headers["Content-Length"] = str(length)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{artifact.bytes}"
    content = desk.read(artifact, start=start, length=length)
    status = 200 if span is None else 206
    return StreamingResponse(content, status_code=status, headers=headers, media_type=artifact.media_type)


def _headers(artifact: StoredArtifact) -> dict[str, str]:
    return {
        "ETag": f'"{artifact.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{artifact.name}"',
        "X-Content-Type-Options": "nosniff",
    }


def _matches(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in header.split(","))
