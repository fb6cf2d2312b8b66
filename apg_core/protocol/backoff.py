"""How long to wait before something that may pass is tried again."""

import random
from collections.abc import Iterator

FIRST_SECONDS = 0.2


def delays(*, longest: float) -> Iterator[float]:
    """Seconds before each further try, without end: they double up to `longest`, less a random part of up to half.

    The random part keeps those who failed together from coming back together.
    """
    delay = FIRST_SECONDS
    while True:
        yield min(delay, longest) * random.uniform(0.5, 1.0)
        delay = min(delay * 2, longest)
