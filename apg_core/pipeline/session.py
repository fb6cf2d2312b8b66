"""The decisions of a generation, without any input or output.

`PartSession` says what to try next and when to stop; whoever drives it does the work and records how it went. The
command line, the service and the batch job drive the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from apg_core.pipeline.seeds import trajectory_seed
from apg_core.protocol.manifest import FailedRegion, PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions


class Outcome(StrEnum):
    """How an attempt ended."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    EMPTY = "empty"
    END_OF_OBJECT = "end_of_object"


@dataclass(frozen=True)
class Attempt:
    """One try at a part."""

    turn: int
    """Place among the parts tried; with a mask, among its regions."""
    index: int
    """Place that the part will have among those kept."""
    number: int
    """How many attempts at this part there were before."""
    seed: int
    label: int | None
    """The mask region, where there is a mask."""
    candidate: int | None = None
    """Which of several candidates for one place it is for, where there are some."""


class Session(Protocol):
    """Decisions over which parts to try; the loop drives any."""

    @property
    def stop_reason(self) -> StopReason | None:
        """Why there is no further attempt; None while there is."""
        ...

    @property
    def failed_regions(self) -> tuple[FailedRegion, ...]:
        """Mask regions that no attempt gave a part for."""
        ...

    def next_attempt(self) -> Attempt | None:
        """What to try now, the same until its outcome is recorded; None when it is over."""
        ...

    @property
    def end_below(self) -> float | None:
        """Mean magnitude (VAE scale) below which a latent says that there is nothing further; None where none does."""
        ...

    def is_end(self, magnitude: float) -> bool:
        """Whether a latent of this mean magnitude (VAE scale) says that there is nothing further."""
        ...

    def is_duplicate(self, overlap: float) -> bool:
        """Whether a part with this overlap with the accepted ones is one of them again."""
        ...

    def record(self, outcome: Outcome) -> FailedRegion | None:
        """How the pending attempt ended; gives the mask region that is passed over for it, if one is."""
        ...


class PartSession:
    """Which part to try next, with which seed, and why to stop.

    With `labels` there is one part for each, in order, and a region that fails is passed over. Without, parts are
    tried until the model ends the object, the cap is reached, or every attempt at one part has failed.
    `accepted` and `failed` are what an interrupted generation had got to; the session goes on from there.
    """

    def __init__(
        self,
        options: GenerationOptions,
        *,
        end_threshold: float,
        labels: Sequence[int] | None = None,
        accepted: Sequence[PartFacts] = (),
        failed: Sequence[FailedRegion] = (),
    ) -> None:
        self._options = options
        self._end_threshold = end_threshold
        self._labels = None if labels is None else tuple(labels)
        self._accepted = len(accepted)
        self._next_index = max((facts.index for facts in accepted), default=-1) + 1
        self._failed = list(failed)
        self._turn = len(accepted) + len(failed)
        self._failures = 0
        self._pending: Attempt | None = None
        self._stop_reason: StopReason | None = None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why there is no further attempt; None while there is."""
        return self._stop_reason

    @property
    def failed_regions(self) -> tuple[FailedRegion, ...]:
        """Mask regions that no attempt gave a part for."""
        return tuple(self._failed)

    @property
    def parts_total(self) -> int | None:
        """How many parts there will be at most, where a mask says so."""
        return None if self._labels is None else len(self._labels)

    def next_attempt(self) -> Attempt | None:
        """What to try now, the same until its outcome is recorded; None when the generation is over."""
        if self._pending is None and self._stop_reason is None:
            if self._labels is None and self._accepted >= self._options.max_parts:
                self._stop_reason = StopReason.MAX_PARTS
            elif self._labels is not None and self._turn >= len(self._labels):
                self._stop_reason = StopReason.ALL_REGIONS_DONE
            else:
                self._pending = Attempt(
                    turn=self._turn,
                    index=self._next_index,
                    number=self._failures,
                    seed=trajectory_seed(self._options, part=self._turn, attempt=self._failures),
                    label=None if self._labels is None else self._labels[self._turn],
                )
        return self._pending

    @property
    def end_below(self) -> float | None:
        """Mean magnitude (VAE scale) of a latent, below which it says that the object is complete; None with a mask."""
        return self._end_threshold if self._labels is None else None

    def is_end(self, magnitude: float) -> bool:
        """Whether a latent of this mean magnitude (VAE scale) says that the object is complete."""
        return self.end_below is not None and magnitude < self.end_below

    def is_duplicate(self, overlap: float) -> bool:
        """Whether a part with this overlap with the accepted ones is one of them again."""
        threshold = self._options.iou_threshold
        return self._labels is None and threshold >= 0 and overlap > threshold

    def record(self, outcome: Outcome) -> FailedRegion | None:
        """How the pending attempt ended; gives the mask region that is passed over for it, if one is.

        Raises:
            RuntimeError: no attempt is pending.
        """
        if self._pending is None:
            raise RuntimeError(f"recorded {outcome} with no attempt pending; call next_attempt first")
        self._pending = None
        match outcome:
            case Outcome.ACCEPTED:
                self._accepted += 1
                self._next_index += 1
                self._go_on()
            case Outcome.END_OF_OBJECT:
                self._stop_reason = StopReason.END_OF_SEQUENCE
            case Outcome.DUPLICATE | Outcome.EMPTY:
                self._failures += 1
                if self._failures > self._options.duplicate_retries:
                    return self._give_up(outcome)
        return None

    def _go_on(self) -> None:
        self._turn += 1
        self._failures = 0

    def _give_up(self, outcome: Outcome) -> FailedRegion | None:
        if self._labels is None:
            self._stop_reason = StopReason.NO_NEW_PART
            return None
        failed = FailedRegion(label=self._labels[self._turn], attempts=self._failures, reason=outcome)
        self._failed.append(failed)
        self._go_on()
        return failed
