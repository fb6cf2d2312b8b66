"""What this installation accepts; published at `/v1/limits`."""

from typing import Annotated

from pydantic import Field

from apg_core.errors import OptionError
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from deployments.stores.jobs.records import QueueLimits

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]

_LIMITED_OPTIONS = (
    "max_parts",
    "grid_size",
    "iou_grid_size",
    "num_inference_steps",
    "best_of",
    "duplicate_retries",
)


class ServiceLimits(InputLimits):
    """The largest inputs, options and shares that are accepted."""

    json_bytes: Count = 64 * 2**20
    """Size of a JSON body; larger inputs go as multipart."""
    decode_seconds: Seconds = 30
    """Time in which the inputs of one job must be decoded."""
    decode_bytes: Count = 4 * 2**30
    """Memory in which they must be decoded."""
    max_parts: Count = 64
    """Largest `max_parts` option."""
    grid_size: Count = 512
    """Largest `grid_size` option."""
    iou_grid_size: Count = 512
    """Largest `iou_grid_size` option."""
    num_inference_steps: Count = 200
    """Largest `num_inference_steps` option."""
    best_of: Count = 8
    """Largest `best_of` option."""
    duplicate_retries: Count = 10
    """Largest `duplicate_retries` option."""
    queue_length: Count = 1000
    """Jobs that may wait."""
    jobs_per_key: Count = 100
    """Unfinished jobs that one key may have."""
    wait_seconds: Seconds = 60
    """Longest `Prefer: wait`."""
    retry_after_seconds: Count = 5
    """What is answered as `Retry-After` where there is no better guess."""

    @property
    def queue(self) -> QueueLimits:
        """How many unfinished jobs there may be."""
        return QueueLimits(queued=self.queue_length, per_owner=self.jobs_per_key)

    @property
    def largest_options(self) -> dict[str, int]:
        """The largest value of each option that has a limit."""
        return {name: getattr(self, name) for name in _LIMITED_OPTIONS}

    def check_options(self, options: GenerationOptions) -> None:
        """Refuse options above a limit.

        Raises:
            OptionError: names the option, its value and the limit.
        """
        for name, limit in self.largest_options.items():
            value = getattr(options, name)
            if value > limit:
                raise OptionError(f"{name}: this installation allows up to {limit}, got {value}", field=name)
