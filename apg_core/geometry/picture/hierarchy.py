"""How regions of a picture merge, so that there are as many as are wanted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from apg_core.protocol.arrays import Labels

MOST_OUTSTANDING = 24
"""Most regions that are said to stand out."""
NOTHING = 1e-3
"""What regions differ by that nobody can tell apart."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Superpixels 1 to n of a picture, 0 outside of the object, and what each merges into, which is smaller.

    Regions 1 to R are what is left when each label above R becomes its parent, as often as it is above R.
    """

    labels: Labels
    parents: Int[np.ndarray, " n"]
    costs: Float[np.ndarray, " n"]

    def at(self, regions: int) -> Labels:
        """The labels of this many regions; of fewer where there are no more superpixels."""
        becomes = np.arange(len(self.parents))
        for one in range(min(regions, len(self.parents)) + 1, len(self.parents)):
            becomes[one] = becomes[self.parents[one]]
        return becomes[self.labels].astype(np.int32)

    @property
    def outstanding(self) -> int:
        """How many regions stand out: before the largest relative fall of what one more is worth."""
        worth = np.append(self.costs[2:], NOTHING)[: MOST_OUTSTANDING + 1]
        falls = np.maximum(worth[:-1], NOTHING) / np.maximum(worth[1:], NOTHING)
        return 1 if len(falls) == 0 or falls.max() <= 1 else int(falls.argmax()) + 2
