"""How much of a job is done, as far as anyone can know."""

from dataclasses import dataclass

from apg_core.protocol.stage import Stage

_BEGUN = {Stage.BACKGROUND: 0.0, Stage.ENCODE: 0.02, Stage.WHOLE: 0.05}
_PARTS_BEGIN, _PARTS_END = 0.15, 0.95
_PART_SHARE = 0.15  # of what is left, where nobody knows how many parts there will be


@dataclass(frozen=True)
class Progress:
    """What a job is busy with, and what it has behind it."""

    parts_total: int | None
    """Known beforehand only with a mask."""
    parts_done: int
    stage: Stage = Stage.BACKGROUND
    trajectory: float = 0.0
    """Share of the current trajectory's steps that are taken."""

    @property
    def share(self) -> float:
        """Estimated share of the work that is done, to three places."""
        return round(self._share(), 3)

    def _share(self) -> float:
        if self.stage in (Stage.FIT, Stage.PACKAGE):
            return _PARTS_END
        if self.stage is Stage.WHOLE:
            return _BEGUN[Stage.WHOLE] + (_PARTS_BEGIN - _BEGUN[Stage.WHOLE]) * self.trajectory
        if self.stage in _BEGUN:
            return _BEGUN[self.stage]
        done = self.parts_done + (self.trajectory if self.stage is Stage.PART else 0.0)
        share = done / self.parts_total if self.parts_total else 1 - (1 - _PART_SHARE) ** done
        return _PARTS_BEGIN + (_PARTS_END - _PARTS_BEGIN) * min(share, 1.0)
