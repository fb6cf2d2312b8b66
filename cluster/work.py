"""What travels through a batch job: one object on its way from files to parts, and how it ended."""

import logging
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from apg_core.errors import ApgError
from apg_core.protocol.manifest import Provenance
from apg_core.protocol.mode import InputEntry
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage
from cluster.items import Item

if TYPE_CHECKING:
    from apg_core.pipeline.ending import Ending
    from apg_core.pipeline.stages import PreparedImages
    from apg_core.pipeline.whole import Seen

log = logging.getLogger(__name__)

Row = dict[str, object]


class CrashedError(ApgError):
    """A process died again and again while it was at this object."""

    code = "crashed"


@dataclass(frozen=True)
class Failure:
    """Why an object has no parts: a code for programs, a message for people."""

    code: str
    message: str
    field: str | None = None

    @classmethod
    def of(cls, error: ApgError) -> "Failure":
        """This error as a value."""
        return cls(error.code, error.message, error.field)


@dataclass(frozen=True, eq=False, kw_only=True)
class Work:
    """One object, with what the stages so far have made of it; a failure ends its way."""

    item: Item
    options: GenerationOptions
    prompt: Prompt | None = None
    inputs: Mapping[str, InputEntry] = field(default_factory=dict)
    prepared: "PreparedImages | None" = None
    seen: "Seen | None" = None
    ending: "Ending | None" = None
    provenance: Provenance | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """What the stages before the generation took."""
    failure: Failure | None = None

    def row(self) -> Row:
        """This work as a row of a data set: pickled, since only our own processes read it."""
        return {"work": pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)}

    @classmethod
    def of(cls, row: Row) -> "Work":
        """The work in a row."""
        content = row["work"]
        assert isinstance(content, bytes)
        work: Work = pickle.loads(content)
        return work

    def failed(self, failure: Failure) -> "Work":
        """The end of this work, without the arrays that nobody needs any more."""
        return Work(item=self.item, options=self.options, failure=failure)

    def timed(self, stage: Stage, seconds: float) -> "Work":
        """This work, with what one more stage took."""
        return replace(self, seconds={**self.seconds, stage: seconds})


class RowStage(ABC):
    """A stage of the batch as Ray Data calls it: a row in, a row out; `advance` is what the stage does."""

    async def __call__(self, row: Row) -> Row:
        """The row after this stage, or with the failure that the stage came to; failed work passes by."""
        work = Work.of(row)
        if work.failure is not None:
            return row
        try:
            advanced = await self.advance(work)
        except Exception as error:  # the batch's boundary: one object that goes wrong is one row, never a stop
            advanced = work.failed(_failure_of(work, error))
        return advanced.row()

    @abstractmethod
    async def advance(self, work: Work) -> Work:
        """The work with this stage done."""


def _failure_of(work: Work, error: Exception) -> Failure:
    if isinstance(error, ApgError):
        return Failure.of(error)
    log.error("%s failed", work.item.id, exc_info=error)  # not one of ours: the log has all of it
    lines = str(error).strip().splitlines() or [""]
    return Failure("internal", f"{type(error).__name__}: {lines[-1]}")
