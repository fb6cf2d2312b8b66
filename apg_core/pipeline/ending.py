"""What a generation came to, and what an interrupted one had got to."""

from collections.abc import Sequence
from dataclasses import dataclass

from apg_core.geometry.normalise import Placement
from apg_core.pipeline.whole import Seen
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, PartitionEntry, StopReason
from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, eq=False)
class Resume:
    """What an interrupted generation had got to."""

    seen: Seen | None = None
    whole: LatentArray | None = None
    parts: Sequence[AcceptedPart] = ()
    failed_regions: Sequence[FailedRegion] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Ending:
    """What a generation came to."""

    parts: tuple[AcceptedPart, ...]
    failed_regions: tuple[FailedRegion, ...]
    stop_reason: StopReason
    whole: LatentArray
    whole_mesh: TriangleMesh | None
    """The whole object, where `save_whole` asks for it."""
    placement: Placement | None
    prepared: RgbImage | None
    warnings: tuple[str, ...]
    timings: dict[str, float]
    partition: PartitionEntry | None = None
    """Where the parts were fitted to the given mesh."""
    candidates: tuple[AcceptedPart, ...] = ()
    """Parts of which one may take the place of the part of its index."""
    finished: frozenset[int] | None = None
    """Of an edit: indices of the parts that are as its parent left them."""
    edited: bool = False
    """Whether an edit, this or one before it, has divided the object otherwise than its generation had."""


@dataclass(frozen=True)
class OutputFile:
    """A file that a generation leaves behind."""

    name: str
    content: bytes
