"""Errors of the service, a branch of `apg_core.errors`.

ServiceError
├── JobNotFoundError        no such job, artifact or address for this caller (404)
├── UnauthorizedError       no key, or one that is not known (401)
├── MalformedRequestError   a request that cannot be read (400)
├── MediaTypeError          a body of a kind that is not taken (415)
├── JobNotEndedError        a job that has not come to what is to be edited (409)
├── ExpiredError            artifacts gone after the retention time (410)
├── IdempotencyError        a key used again with another body (422)
├── TooManyJobsError        this key has its share in the queue already (429)
├── UnavailableError        nothing wrong with the request; try again (503)
│   ├── QueueFullError      the queue is as long as it may be
│   ├── NotReadyError       models still loading
│   └── StoreError          job or artifact store cannot be reached or written
├── SchemaError             the database is of a version this program does not know (at start)
├── OpenServiceError        bound to other machines without keys (at start)
├── StageError              a stage failed in a way that was not foreseen (in the job's `error`)
└── LeaseLostError          this runner no longer holds the job (inside)
"""

from apg_core.errors import ApgError


class ServiceError(ApgError):
    """Something that only a service can get wrong."""

    code = "service"


class JobNotFoundError(ServiceError):
    """There is no such thing, or it is not this caller's."""

    code = "not_found"


class UnauthorizedError(ServiceError):
    """The caller did not give a key that is known here."""

    code = "unauthorized"


class MalformedRequestError(ServiceError):
    """The request cannot be read."""

    code = "malformed"


class MediaTypeError(ServiceError):
    """The body is of a kind that is not taken."""

    code = "unsupported_media_type"


class JobNotEndedError(ServiceError):
    """The job is queued or running, or an edit that ended early: there is nothing to edit yet."""

    code = "job_not_ended"


class ExpiredError(ServiceError):
    """The job's artifacts were removed after the retention time."""

    code = "expired"


class IdempotencyError(ServiceError):
    """An idempotency key came again with another body."""

    code = "idempotency_mismatch"


class TooManyJobsError(ServiceError):
    """This key has as many unfinished jobs as it may have."""

    code = "too_many_jobs"


class UnavailableError(ServiceError):
    """The service cannot do it now; the same request may work later."""

    code = "unavailable"


class QueueFullError(UnavailableError):
    """The queue is as long as it may be."""

    code = "queue_full"


class NotReadyError(UnavailableError):
    """The models have not all run yet."""

    code = "not_ready"


class StoreError(UnavailableError):
    """The job store or the artifact store cannot be reached, or cannot be written."""

    code = "store_unreachable"


class SchemaError(ServiceError):
    """The database's schema is not one that this program knows."""

    code = "unknown_schema"


class OpenServiceError(ServiceError):
    """The service would be open to other machines without a key."""

    code = "open_service"


class StageError(ServiceError):
    """A stage failed in a way that was not foreseen; the log has more."""

    code = "stage_failed"


class LeaseLostError(ServiceError):
    """Another runner holds the job now, or it has ended."""

    code = "lease_lost"
