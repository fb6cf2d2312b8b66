"""Where a generation tells what it does, while it does it."""

from collections.abc import Awaitable
from typing import Protocol

from apg_core.pipeline.stages import OnStep
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.manifest import AcceptedPart, FailedRegion
from apg_core.protocol.stage import Stage


class Sink(Protocol):
    """Where a generation tells what it does; every call is awaited before it goes on."""

    def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> Awaitable[None]:
        """A stage that takes a while begins; `part` is the index that the part will have if it is accepted."""
        ...

    def on_step(self) -> OnStep | None:
        """What to call at each denoising step of the current trajectory, if anything."""
        ...

    def whole(self, latent: LatentArray, prepared: RgbImage | None) -> Awaitable[None]:
        """The whole object's latent is known; `prepared` is the picture the model sees, where there is one."""
        ...

    def part(self, part: AcceptedPart) -> Awaitable[None]:
        """A part is accepted; it is safe once this returns."""
        ...

    def region_failed(self, region: FailedRegion) -> Awaitable[None]:
        """A mask region is passed over."""
        ...
