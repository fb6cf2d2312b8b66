"""When a call is tried again, and what it means when it is not."""

import httpx
from pydantic import ValidationError

from apg_core.protocol.backoff import delays
from apg_core.protocol.job import Problem, ProblemError
from clients.errors import ServiceUnreachableError

Reply = httpx.Response | httpx.TransportError
"""What became of a request; the content of a response has been read."""

RETRIES = 6
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST_DELAY = 20.0


class Retries:
    """How often and when a call is tried again: growing delays with jitter, or what the service asks for."""

    def __init__(self, attempts: int, *, service: str) -> None:
        """`service` is its address, for messages."""
        self._attempts = attempts
        self._service = service
        self.reset()

    def reset(self) -> None:
        """Something worked: count from the start again."""
        self._left = self._attempts
        self._delays = delays(longest=_LONGEST_DELAY)

    def delay_after(self, reply: Reply) -> float:
        """Seconds until the next try.

        Raises:
            ProblemError: the service refuses, and will again.
            ServiceUnreachableError: nothing answers after all those tries, or something that is not this service.
        """
        if self._left == 0 or not _may_pass(reply):
            raise self._final(reply)
        self._left -= 1
        delay = next(self._delays)
        asked = reply.headers.get("retry-after", "") if isinstance(reply, httpx.Response) else ""
        return min(max(float(asked), delay), _LONGEST_DELAY) if asked.isdecimal() else delay

    def _final(self, reply: Reply) -> ProblemError | ServiceUnreachableError:
        if isinstance(reply, httpx.TransportError):
            reason = str(reply) or type(reply).__name__
            return ServiceUnreachableError(
                f"no answer from {self._service}: {reason}; is the service running (`apg serve`)?"
            )
        try:
            return ProblemError(Problem.model_validate_json(reply.content))
        except ValidationError:
            return ServiceUnreachableError(
                f"{reply.url} answered {reply.status_code} and no problem that can be read; "
                "is this the address of the service?"
            )


def _may_pass(reply: Reply) -> bool:
    if isinstance(reply, httpx.TransportError) or reply.status_code in _TRY_AGAIN:
        return True
    # A proxy in front of the service says so in its own words while what it passes on to is being replaced, and Ray
    # Serve's says 404 until it knows of the service.
    is_ours = reply.headers.get("content-type", "").startswith("application/problem+json")
    return (reply.status_code >= 500 or reply.status_code == 404) and not is_ours
