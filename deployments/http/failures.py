"""Every failure as `application/problem+json` (RFC 9457): ours, the framework's, and the unforeseen."""

import json
import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from apg_core.errors import ApgError
from apg_core.protocol.job import Problem
from deployments.http.request_ids import request_id_of
from deployments.problems import RETRYABLE, TYPE_PREFIX, problem_of, title_of

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_FRAMEWORK_CODES = {404: "not_found", 405: "method_not_allowed", 400: "malformed"}


def problem_response(problem: Problem, *, headers: dict[str, str] | None = None) -> Response:
    """A problem as an answer."""
    # Escaped, because a message may quote text that UTF-8 cannot carry.
    content = json.dumps(problem.model_dump(mode="json")).encode("ascii")
    return Response(content, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def install(api: FastAPI, *, retry_after_seconds: int) -> None:
    """Make every failure of this application a problem."""
    retry = {"Retry-After": str(retry_after_seconds)}

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, ApgError)
        problem = problem_of(error, request_id=request_id_of(request))
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request failed", exc_info=error, extra={"request_id": problem.request_id})
        headers = dict(retry) if problem.status in RETRYABLE else {}
        if problem.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return problem_response(problem, headers=headers)

    async def frameworks(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _FRAMEWORK_CODES.get(error.status_code, "http")
        detail = f"{request.method} {request.url.path}: {error.detail.lower()}; see /openapi.json for what there is"
        problem = _framework_problem(request, error.status_code, code, detail)
        return problem_response(problem, headers=dict(error.headers or {}))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = str(first["loc"][-1])
        detail = f"{field}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        return problem_response(_framework_problem(request, 422, "invalid_request", detail, field=field))

    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("request failed", exc_info=error, extra={"request_id": request_id_of(request)})
        detail = "the service failed at this; the log has more under the request id"
        return problem_response(_framework_problem(request, 500, "internal", detail))

    api.add_exception_handler(ApgError, ours)
    api.add_exception_handler(HTTPException, frameworks)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(Exception, unforeseen)


def range_problem(size: int, *, request_id: str) -> Problem:
    """That a range lies beyond the end of a file of `size` bytes."""
    return Problem(
        type=TYPE_PREFIX + "range",
        title="Range not satisfiable",
        status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        detail=f"the file has {size:,} bytes; ask for a range within it",
        code="range",
        field="Range",
        request_id=request_id,
    )


def documented(*statuses: int) -> dict[int | str, dict[str, object]]:
    """These failures, for the OpenAPI description of a route."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}}
        for status in sorted({*statuses, 401, 422, 500, 503})
    }


def _framework_problem(request: Request, status: int, code: str, detail: str, *, field: str | None = None) -> Problem:
    return Problem(
        type=TYPE_PREFIX + code,
        title=title_of(code),
        status=status,
        detail=detail,
        code=code,
        field=field,
        request_id=request_id_of(request),
    )
