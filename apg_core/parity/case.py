"""A case: one known output of a parity folder, how it is computed here, and how far it may be off."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from apg_core.parity.folder import Absent, ParityFolder

SINGLE_PASS, TRAJECTORY, END_TO_END, PIXELS, EXACT = 1e-5, 2e-4, 1e-3, 2 / 255, 0.0
"""Tolerances on a CPU: the largest absolute error, of values of order one."""
ELSEWHERE = 4.0
"""How much further a GPU in fp32 may be off: it sums in another order."""


def tolerance_on(device: torch.device, tolerance: float) -> float:
    """A case's tolerance on this kind of device."""
    return tolerance if device.type == "cpu" else ELSEWHERE * tolerance


@dataclass(frozen=True)
class CaseResult:
    """How far one case is from its known output; `error` is None where it could not be computed, `why` says why."""

    name: str
    tolerance: float
    error: float | None
    why: str = "not in this folder"

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error is None or self.error <= self.tolerance

    def __str__(self) -> str:
        if self.error is None:
            return f"skip  {self.name}: {self.why}"
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name}: {self.error:.2e} (tolerance {self.tolerance:.0e})"


@dataclass(frozen=True)
class Case:
    """The tensor that is known, what computes it from the folder's inputs, and its tolerance."""

    output: str
    compute: Callable[[ParityFolder], Tensor | np.ndarray]
    tolerance: float

    @property
    def name(self) -> str:
        """What the case is called: its output, without the word for it."""
        return self.output.replace(".out", "", 1)

    def result(self, folder: ParityFolder) -> CaseResult:
        """The case computed; skipped where the folder lacks its output or something that it needs."""
        tolerance = tolerance_on(folder.device, self.tolerance)
        try:
            expected = folder.tensor(self.output).cpu()
            computed = self.compute(folder)
        except Absent as absent:
            return CaseResult(self.name, tolerance, None, str(absent))
        computed = torch.as_tensor(computed).detach().cpu().reshape(expected.shape)
        return CaseResult(self.name, tolerance, float((computed.double() - expected.double()).abs().max()))
