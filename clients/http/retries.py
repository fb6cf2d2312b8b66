"""When a call is tried again, and what it means when it is not."""

import random

import httpx
from pydantic import ValidationError

from apg_core.protocol.job import Problem, ProblemError
from clients.errors import ServiceUnreachableError

Outcome = httpx.Response | httpx.TransportError
"""What became of a request; the content of a response has been read."""

RETRIES = 6
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 20.0


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
        self._delay = _FIRST_DELAY

    def delay_after(self, outcome: Outcome) -> float:
        """Seconds until the next try.

        Raises:
            ProblemError: the service refuses, and will again.
            ServiceUnreachableError: nothing answers after all those tries, or something that is not this service.
        """
        if self._left == 0 or not _may_pass(outcome):
            raise self._final(outcome)
        self._left -= 1
        jittered = self._delay * random.uniform(0.5, 1.0)
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
        asked = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
        return min(max(float(asked), jittered), _LONGEST_DELAY) if asked.isdecimal() else jittered

    def _final(self, outcome: Outcome) -> ProblemError | ServiceUnreachableError:
        if isinstance(outcome, httpx.TransportError):
            reason = str(outcome) or type(outcome).__name__
            return ServiceUnreachableError(
                f"no answer from {self._service}: {reason}; is the service running (`apg serve`)?"
            )
        try:
            return ProblemError(Problem.model_validate_json(outcome.content))
        except ValidationError:
            return ServiceUnreachableError(
                f"{outcome.url} answered {outcome.status_code} and no problem that can be read; "
                "is this the address of the service?"
            )


def _may_pass(outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.TransportError) or outcome.status_code in _TRY_AGAIN:
        return True
    # A proxy in front of the service says so in its own words while what it passes on to is being replaced.
    is_ours = outcome.headers.get("content-type", "").startswith("application/problem+json")
    return outcome.status_code >= 500 and not is_ours
