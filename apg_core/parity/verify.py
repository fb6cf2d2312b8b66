"""Runs every case of a parity folder: the same weights and inputs, known outputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from apg_core.errors import PresetError
from apg_core.parity.background import BACKGROUND_CASES, background_result
from apg_core.parity.case import CaseResult
from apg_core.parity.folder import ParityFolder
from apg_core.parity.table import CASES


def verify(folder: Path, *, device: torch.device) -> Iterator[CaseResult]:
    """The result of every case of a parity folder, or of its sub-folders that have a `config.yaml`.

    Raises:
        PresetError: there are no cases here.
        WeightsMissingError: a case's weights are not beside it.
    """
    folders = [path.parent for path in sorted([*folder.glob("config.yaml"), *folder.glob("*/config.yaml")])]
    background = [path for path in (folder / BACKGROUND_CASES, folder.parent / BACKGROUND_CASES) if path.is_file()]
    if not folders and not background:
        raise PresetError(f"no parity cases in {folder}: expected config.yaml with cases.safetensors, in it or below")
    with _whole_fp32():
        for path in folders:
            yield from _results(ParityFolder(path, device))
        yield background_result(background[0] if background else None, device)


@contextmanager
def _whole_fp32() -> Iterator[None]:
    """Products in fp32 with all of its digits: a GPU may round them to ten bits (TF32) otherwise."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def _results(folder: ParityFolder) -> Iterator[CaseResult]:
    for case in CASES:
        yield case.result(folder)
    for name in sorted(set(folder.outputs) - {case.output for case in CASES}):
        yield CaseResult(name, 0.0, None, "no case of this version")
