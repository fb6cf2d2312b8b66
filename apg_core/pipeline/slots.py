"""The decisions of an edit that samples parts: given places are filled, one after the other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from apg_core.pipeline.seeds import candidate_seed, trajectory_seed
from apg_core.pipeline.session import Attempt, Outcome
from apg_core.protocol.manifest import FailedRegion, PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions


@dataclass(frozen=True)
class Slot:
    """A place for one part."""

    index: int
    """The part's index."""
    turn: int
    """What its seeds count from: with a mask region its place among the regions, else the index."""
    label: int | None = None
    """The mask region that it is for."""
    candidate: int | None = None
    """Which candidate for the place it is, where there are several."""

    def is_filled_by(self, facts: PartFacts) -> bool:
        """Whether this part was made for it."""
        return (facts.index, facts.candidate) == (self.index, self.candidate)


class SlotSession:
    """Which slot to fill next, with which seed; a slot that no attempt fills stays empty. Driven like `PartSession`.

    That the object is complete is no answer here: the slot is there to be filled, so that is a failed attempt.
    """

    def __init__(
        self,
        options: GenerationOptions,
        slots: Sequence[Slot],
        *,
        accepted: Collection[PartFacts] = (),
        failed: Sequence[FailedRegion] = (),
        end_threshold: float,
    ) -> None:
        self._options = options
        self._end_threshold = end_threshold
        done = {region.label for region in failed}
        self._open = [
            slot for slot in slots if slot.label not in done and not any(slot.is_filled_by(facts) for facts in accepted)
        ]
        self._failed = list(failed)
        self._failures = 0
        self._pending: Attempt | None = None
        self._places = {slot.index for slot in slots}
        self._filled = {facts.index for facts in accepted}

    @property
    def stop_reason(self) -> StopReason | None:
        """How the slots came out; None while one of them is open."""
        if self._open:
            return None
        return StopReason.EDITED if self._places <= self._filled else StopReason.NO_NEW_PART

    @property
    def failed_regions(self) -> tuple[FailedRegion, ...]:
        """Mask regions that no attempt gave a part for."""
        return tuple(self._failed)

    def next_attempt(self) -> Attempt | None:
        """What to try now, the same until its outcome is recorded; None when no slot is open."""
        if self._pending is None and self._open:
            slot = self._open[0]
            seed = trajectory_seed(self._options, part=slot.turn, attempt=self._failures)
            self._pending = Attempt(
                turn=slot.turn,
                index=slot.index,
                number=self._failures,
                seed=candidate_seed(seed, slot.candidate or 0),
                label=slot.label,
                candidate=slot.candidate,
            )
        return self._pending

    @property
    def end_below(self) -> float | None:
        """Mean magnitude (VAE scale) below which a latent is of nothing; None for a mask region."""
        return None if self._for_region else self._end_threshold

    def is_end(self, magnitude: float) -> bool:
        """Whether a latent of this mean magnitude (VAE scale) is of nothing."""
        return self.end_below is not None and magnitude < self.end_below

    def is_duplicate(self, overlap: float) -> bool:
        """Whether a part with this overlap with the others is one of them again."""
        threshold = self._options.iou_threshold
        return not self._for_region and threshold >= 0 and overlap > threshold

    def record(self, outcome: Outcome) -> FailedRegion | None:
        """How the pending attempt ended; gives the mask region that is passed over for it, if one is.

        Raises:
            RuntimeError: no attempt is pending.
        """
        if self._pending is None:
            raise RuntimeError(f"recorded {outcome} with no attempt pending; call next_attempt first")
        self._pending = None
        if outcome is Outcome.ACCEPTED:
            self._filled.add(self._open[0].index)
            self._next_slot()
            return None
        self._failures += 1
        if self._failures <= self._options.duplicate_retries:
            return None
        return self._give_up(outcome)

    def _give_up(self, outcome: Outcome) -> FailedRegion | None:
        label, attempts = self._open[0].label, self._failures
        self._next_slot()
        if label is None:
            return None
        self._failed.append(FailedRegion(label=label, attempts=attempts, reason=outcome))
        return self._failed[-1]

    def _next_slot(self) -> None:
        self._open.pop(0)
        self._failures = 0

    @property
    def _for_region(self) -> bool:
        return bool(self._open) and self._open[0].label is not None
