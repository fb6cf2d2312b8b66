"""Cases measured one after the other, or beside each other in processes."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import torch

from apg_core.pipeline.local import Pipeline, load_pipeline
from apg_core.presets.preset import PrecisionChoice
from apg_core.protocol.mode import Mode
from apg_core.protocol.options import GenerationOptions
from training.cases import Case
from training.evaluate import Result, Shapes, evaluate, reconstruct

load_once = cache(load_pipeline)
"""`load_pipeline`, once in a process for the same arguments."""


@dataclass(frozen=True)
class Loading:
    """What to load a pipeline from; unlike the pipeline it goes to other processes."""

    preset: str
    device: str | None
    precision: PrecisionChoice

    @property
    def pipeline(self) -> Pipeline:
        """This process's own, loaded when first asked for.

        Raises:
            PresetError: there is no such preset.
        """
        return load_once(self.preset, self.device, precision=self.precision)


def generated(loading: Loading, mode: Mode, options: GenerationOptions, case: Case) -> Result:
    """The scores of what a preset makes of a case."""
    return next(evaluate(loading.pipeline, [case], mode=mode, options=options))


def reconstructed(loading: Loading, what: Shapes, options: GenerationOptions, case: Case) -> Result:
    """The scores of a case's shapes that only pass through the autoencoder."""
    return reconstruct(loading.pipeline, case, what, options)


def spread(measure: Callable[[Case], Result], cases: Sequence[Case], workers: int) -> Iterator[Result]:
    """The result of each case in order; `measure` pickles where there is more than one worker."""
    if workers == 1:
        yield from map(measure, cases)
        return
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (threads,)) as pool:
        try:
            yield from pool.map(measure, cases)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(threads: int) -> None:
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
