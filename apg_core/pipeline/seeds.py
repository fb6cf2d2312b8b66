"""Seeds of every random draw, as pure functions of the job's seed."""

import hashlib
from enum import StrEnum

from apg_core.protocol.options import SamplingOptions


class Draw(StrEnum):
    """What a random draw is for."""

    WHOLE_SURFACE = "whole_surface"
    WHOLE_POSTERIOR = "whole_posterior"
    WHOLE_OUTLINE = "whole_outline"
    HISTORY_SURFACE = "history_surface"
    HISTORY_POSTERIOR = "history_posterior"
    HISTORY_NOISE = "history_noise"
    FURTHER_SAMPLE = "further_sample"
    CANDIDATE = "candidate"


def draw_seed(job_seed: int, purpose: Draw, *, part: int = 0, attempt: int = 0) -> int:
    """Seed of one draw that is not a trajectory's: a 63-bit hash of what it is for."""
    digest = hashlib.sha256(f"{job_seed}/{purpose}/{part}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def sample_seeds(first: int, count: int) -> tuple[int, ...]:
    """Seeds of the trajectories of which one is kept: the given one, then hashes of it."""
    return (first, *(draw_seed(first, Draw.FURTHER_SAMPLE, part=index) for index in range(1, count)))


def candidate_seed(first: int, number: int) -> int:
    """Seed of a candidate for a part: the part's own for number 0, hashes of it for the others."""
    return first if number == 0 else draw_seed(first, Draw.CANDIDATE, part=number)


def trajectory_seed(options: SamplingOptions, *, part: int, attempt: int) -> int:
    """Seed of a part's trajectory, as the release counts it; it wraps at 2^63."""
    return (options.seed + part * options.part_seed_stride + attempt * options.retry_seed_stride) % 2**63
