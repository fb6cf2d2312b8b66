"""What a person sees while a batch runs: a bar on a terminal, lines in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.results import Outcome

LINE_EVERY_SECONDS = 10.0


class BatchProgress:
    """Tells of each object that ends, on standard error."""

    def __init__(self, *, total: int, skipped: int) -> None:
        self._console = Console(stderr=True)
        self._total = total
        self._skipped = skipped
        self._done = self._failed = 0
        self._started = self._told = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bars.add_task("starting", total=total)

    def __enter__(self) -> Self:
        if self._skipped:
            self._console.print(f"{self._skipped} objects are done already and are skipped")
        self._bars.start()
        if not self._console.is_terminal:
            self._console.print(self._line())  # the first object takes a while
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        self._console.print(self._line())

    def ended(self, outcome: Outcome) -> None:
        """An object has ended."""
        self._done += 1
        if not outcome.succeeded:
            self._failed += 1
            self._console.print(f"{outcome.id}: {outcome.code}: {outcome.message}", markup=False, soft_wrap=True)
        self._bars.update(self._task, completed=self._done, description=f"{self._failed} failed")
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= LINE_EVERY_SECONDS:
            self._told = now
            self._console.print(self._line())

    def _line(self) -> str:
        seconds = time.monotonic() - self._started
        return f"{self._done} of {self._total} objects done, {self._failed} failed, {seconds:.0f} s"
