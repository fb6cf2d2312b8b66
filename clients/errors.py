"""What can go wrong between a client and its service, beside the service's own problems (`ProblemError`)."""

from typing import Self

from apg_core.errors import ApgError


class ServiceUnreachableError(ApgError):
    """The service did not answer, or something else answered in its place."""

    code = "unreachable"


class WaitTimeoutError(ApgError):
    """The job has not ended in the time that was given; it goes on."""

    code = "wait_timeout"

    @classmethod
    def of(cls, job_id: str, timeout: float | None) -> Self:
        """This job, after so many seconds."""
        return cls(f"job {job_id} has not ended within {timeout:g} s; it goes on")
