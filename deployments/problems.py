"""What an error is to whoever asked: its problem (RFC 9457), over HTTP and in a job that failed."""

from http import HTTPStatus

from apg_core.errors import ApgError, InputError, LimitError, OutputError, SandboxError
from apg_core.protocol.job import Problem, ProblemError
from deployments import errors

TYPE_PREFIX = "urn:autopartgen:problem:"
RETRYABLE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_STATUS: dict[type[ApgError], HTTPStatus] = {
    LimitError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OutputError: HTTPStatus.SERVICE_UNAVAILABLE,
    SandboxError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.MalformedRequestError: HTTPStatus.BAD_REQUEST,
    errors.UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    errors.JobNotFoundError: HTTPStatus.NOT_FOUND,
    errors.JobNotEndedError: HTTPStatus.CONFLICT,
    errors.ExpiredError: HTTPStatus.GONE,
    errors.MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.IdempotencyError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyJobsError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem_of(error: ApgError, *, request_id: str | None) -> Problem:
    """The problem that an error is to whoever asked; it holds no path and no trace."""
    if isinstance(error, ProblemError):
        return error.problem.model_copy(update={"request_id": request_id})
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    known = status is not HTTPStatus.INTERNAL_SERVER_ERROR
    return Problem(
        type=TYPE_PREFIX + error.code,
        title=title_of(error.code),
        status=status,
        detail=error.message if known else "the service failed at this; the log has more under the request id",
        code=error.code,
        field=error.field,
        retryable=status in RETRYABLE,
        request_id=request_id,
    )


def title_of(code: str) -> str:
    """A problem's code as words."""
    return code.replace("_", " ").capitalize()
