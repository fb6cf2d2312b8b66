"""What a person sees while a generation runs."""

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from apg_core.protocol.manifest import AcceptedPart, FailedRegion, Manifest
from apg_core.protocol.stage import Stage

_DOING = {
    Stage.BACKGROUND: "removing the background",
    Stage.ENCODE: "reading the image",
    Stage.WHOLE: "the whole object",
    Stage.PART: "sampling",
    Stage.MESH: "making its mesh",
    Stage.FIT: "fitting the parts to the mesh",
    Stage.PACKAGE: "writing the results",
}


class Progress(Protocol):
    """Hears how a generation goes."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, stage: Stage, *, part: int | None, attempt: int) -> None:
        """A stage begins."""

    def step(self, done: int, total: int) -> None:
        """A denoising step is taken."""

    def part(self, part: AcceptedPart) -> None:
        """A part is accepted."""

    def region_failed(self, region: FailedRegion) -> None:
        """A mask region is passed over."""

    def done(self, manifest: Manifest) -> None:
        """All is written."""


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def stage(self, stage: Stage, *, part: int | None, attempt: int) -> None:
        pass

    def step(self, done: int, total: int) -> None:
        pass

    def part(self, part: AcceptedPart) -> None:
        pass

    def region_failed(self, region: FailedRegion) -> None:
        pass

    def done(self, manifest: Manifest) -> None:
        pass


class OnTerminal:
    """A line for what is going on, and one for each part that is accepted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("starting", total=1)
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, stage: Stage, *, part: int | None, attempt: int) -> None:
        prefix = "" if part is None else f"part {part + 1}{f', attempt {attempt + 1}' if attempt else ''}: "
        self._bars.update(self._task, description=prefix + _DOING[stage], completed=0, total=1)

    def step(self, done: int, total: int) -> None:
        self._bars.update(self._task, completed=done, total=total)

    def part(self, part: AcceptedPart) -> None:
        label = "" if part.facts.label is None else f" (label {part.facts.label})"
        faces = len(part.mesh.faces)
        self._console.print(f"part {part.facts.index + 1}{label}: {faces:,} faces, {self._seconds():.1f} s")

    def region_failed(self, region: FailedRegion) -> None:
        self._console.print(f"label {region.label}: no part after {region.attempts} attempts ({region.reason})")

    def done(self, manifest: Manifest) -> None:
        for warning in manifest.warnings:
            self._console.print(f"warning: {warning}")
        reason = manifest.stop_reason.replace("_", " ")
        self._console.print(f"{len(manifest.parts)} parts in {self._seconds():.1f} s; stopped: {reason}")

    def _seconds(self) -> float:
        return time.perf_counter() - self._started


def on_terminal() -> Progress:
    """Progress on standard error, where it is a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    return OnTerminal(console) if console.is_terminal else Silent()
