"""This project's log records among Serve's own, in the same form, each with the job and the request it belongs to."""

import logging
from logging.handlers import MemoryHandler

from ray._common.formatters import JSONFormatter
from ray.serve.context import _set_request_context

_OURS = ("deployments", "apg_core")
_JOB = " job="


class _SplitIds(logging.Filter):
    """Gives a record whose request id carries a job's the two apart, as `request_id` and `job`; lets all through."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id, carries_job, job = getattr(record, "request_id", "").rpartition(_JOB)
        if carries_job:
            record.request_id, record.job = request_id, job
        return True


_SPLIT_IDS = _SplitIds()


def join_serve_logs() -> None:
    """Send what this project logs in this process where Serve sends its own; once is enough, more does no harm."""
    serve = logging.getLogger("ray.serve")
    for handler in serve.handlers:
        if _writes_json(handler):  # in a line of text both are best left together
            handler.addFilter(_SPLIT_IDS)
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = list(serve.handlers)


def enter_job(job_id: str, *, request_id: str | None) -> None:
    """Name the job, and the request that submitted it, in all that this task and the deployments it calls log.

    Serve hands nothing from deployment to deployment but its own request id, so that one carries both.
    """
    _set_request_context(request_id=f"{request_id or job_id}{_JOB}{job_id}")


def _writes_json(handler: logging.Handler) -> bool:
    target = handler.target if isinstance(handler, MemoryHandler) else None  # Serve's file handler, behind its buffer
    return target is not None and isinstance(target.formatter, JSONFormatter)
