"""`POST /v1/jobs`: from a body to a queued job, or to one that has ended already."""

import asyncio
import logging
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from apg_core.errors import ApgError
from apg_core.protocol.job import Job
from apg_core.protocol.options import GenerationOptions
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import Decoded, DecodeRequest
from deployments.errors import StoreError
from deployments.http.failures import documented
from deployments.http.request_ids import request_id_of
from deployments.http.service import OwnerDep, Service, ServiceDep
from deployments.http.uploads import FILE_FIELDS, JobRequest, Upload, receive
from deployments.http.views import job_view
from deployments.limits import ServiceLimits
from deployments.running.checkpoint import PROMPT
from deployments.stores.jobs.records import IdempotencyKey, JobRecord, NewJob, StoredArtifact
from deployments.stores.jobs.store import Submission

log = logging.getLogger(__name__)
router = APIRouter(tags=["jobs"])

_WAIT = re.compile(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])")


def _described() -> dict[str, Any]:
    options = GenerationOptions.model_json_schema()
    as_json = JobRequest.model_json_schema()
    as_json["properties"]["options"] = options
    as_form = {
        "type": "object",
        "properties": {field: {"type": "string", "format": "binary"} for field in FILE_FIELDS} | {"options": options},
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": as_form,
                    "encoding": {"options": {"contentType": "application/json"}},
                },
                "application/json": {"schema": as_json},
            },
        }
    }


_LINKS = {
    "Location": {"description": "The job", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` where an earlier request made the job",
        "schema": {"type": "string"},
    },
}


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
    openapi_extra=_described(),
)
async def submit(
    request: Request,
    response: Response,
    service: ServiceDep,
    owner: OwnerDep,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="Your name for this request")
    ] = None,
    prefer: Annotated[str | None, Header(description="`wait=N`: wait up to N seconds for the end")] = None,
) -> Job:
    """Give an image, a mesh, or both; with an image also an indexed part mask."""
    with tempfile.TemporaryDirectory(prefix="apg-upload-") as folder:
        upload = await receive(request, Path(folder), service.limits)
        submission = await accept(
            service,
            upload,
            owner=owner,
            folder=Path(folder),
            idempotency_key=idempotency_key,
            request_id=request_id_of(request),
        )
    job = submission.job
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if submission.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    if (seconds := _seconds_to_wait(prefer, service.limits)) is not None:
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
        job = await _wait(service, job, owner, seconds)
        if job.status.is_terminal:
            response.status_code = 200
    return job_view(job)


async def accept(
    service: Service, upload: Upload, *, owner: str, folder: Path, idempotency_key: str | None, request_id: str
) -> Submission:
    """Decode what was uploaded into `folder`, and queue a job for it.

    Raises:
        InputError: it cannot be used.
        UnavailableError, TooManyJobsError: not now.
    """
    options = service.preset.complete(GenerationOptions.model_validate(upload.options))
    service.limits.check_options(options)
    idempotency = None
    if idempotency_key is not None:
        idempotency = IdempotencyKey(key=idempotency_key, body_sha256=upload.sha256)
    if idempotency is not None:
        earlier = await run_in_threadpool(service.store.replay, owner, idempotency)
        if earlier is not None:
            return Submission(earlier, replayed=True)
    decoded, prompt = await _decode(service.decoder, upload, folder, service.limits)
    job_id = uuid4().hex
    stored = await run_in_threadpool(service.artifacts.put, job_id, 0, PROMPT, prompt)
    new = _new_job(job_id, owner, upload, options, decoded, stored, request_id)
    submission = None
    try:
        submission = await run_in_threadpool(
            service.store.submit, new, limits=service.limits.queue, idempotency=idempotency
        )
    finally:
        if submission is None or submission.replayed:
            with suppress(StoreError):  # the error that brought us here says more
                await run_in_threadpool(service.artifacts.remove_job, job_id)
    if not submission.replayed:
        log.info("job queued", extra={"job": job_id, "mode": new.mode})
    return submission


async def _decode(decoder: Decoder, upload: Upload, folder: Path, limits: ServiceLimits) -> tuple[Decoded, bytes]:
    output = folder / "prompt.npz"
    paths = {field: file.path for field, file in upload.files.items()}
    decoded = await decoder.decode(DecodeRequest(**paths, limits=limits, seconds=limits.decode_seconds, output=output))
    return decoded, await run_in_threadpool(output.read_bytes)


def _new_job(
    job_id: str,
    owner: str,
    upload: Upload,
    options: GenerationOptions,
    decoded: Decoded,
    prompt: StoredArtifact,
    request_id: str,
) -> NewJob:
    return NewJob(
        id=job_id,
        owner=owner,
        mode=decoded.mode,
        seed=options.seed,
        options=options.model_dump(mode="json"),
        inputs={field: {"name": file.name, "sha256": file.sha256} for field, file in upload.files.items()},
        artifacts=(prompt,),
        parts_total=decoded.regions,
        request_id=request_id,
    )


def _seconds_to_wait(prefer: str | None, limits: ServiceLimits) -> float | None:
    match = _WAIT.search(prefer or "")
    return None if match is None else min(float(match[1]), limits.wait_seconds)


async def _wait(service: Service, job: JobRecord, owner: str, seconds: float) -> JobRecord:
    async def to_the_end() -> None:
        async for _ in service.feed.follow(job.id, owner, after=job.last_event):
            pass

    with suppress(TimeoutError):
        await asyncio.wait_for(to_the_end(), seconds)
    with suppress(ApgError):  # it is queued whatever happens now: that is the answer then
        return await run_in_threadpool(service.store.get, job.id, owner)
    return job
