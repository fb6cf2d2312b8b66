"""The training loop: annealing by the clock, resuming, averaged weights."""

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from training.loop import Run, RunOptions, learning_rate


@dataclass(frozen=True)
class _Pairs:
    x: Tensor
    y: Tensor


class _Line(nn.Module):
    """Fits y = W x through one hidden block, so that both optimizers have work."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4, bias=False)])
        self.out = nn.Linear(4, 1)

    def forward(self, batch: _Pairs) -> dict[str, Tensor]:
        error = (self.out(self.blocks[0](batch.x)).float() - batch.y) ** 2
        return {"total": error.mean(), "l1": error.detach().sqrt().mean()}


def _batch() -> _Pairs:
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    return _Pairs(x, x.sum(1, keepdim=True))


def _options(folder: Path, minutes: float) -> RunOptions:
    return RunOptions(folder=folder, minutes=minutes, peak_lr=2e-2, ema=0.9)


def test_learning_rate_rises_to_its_peak_and_anneals_to_a_hundredth() -> None:
    assert learning_rate(0.05, peak=1.0, warmup=0.05) == pytest.approx(1.0)
    assert learning_rate(1.0, peak=1.0, warmup=0.05) == pytest.approx(0.01)
    assert learning_rate(2.0, peak=1.0, warmup=0.05) == pytest.approx(0.01)
    assert learning_rate(0.0, peak=1.0, warmup=0.05) < 0.1


def test_a_run_learns_within_its_budget_and_logs_what_it_measured(tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = Run(_Line(), _options(tmp_path, 0.03))
    before = float(run.inner(_batch())["total"].detach())
    run.train(repeat((64, _batch())), lambda: {"score": 1.0})
    with run.averaged() as module:
        assert float(module(_batch())["total"].detach()) < before / 4
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert header.endswith("score")
    assert len(rows) == 1


def test_a_resumed_run_goes_on_from_the_saved_weights_and_clock(tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = Run(_Line(), _options(tmp_path, 0.01))
    run.train(repeat((64, _batch())), dict)
    again = Run(_Line(), _options(tmp_path, 0.02))
    assert (again.steps, again.samples, again.elapsed) == (run.steps, run.samples, run.elapsed)
    for name, value in run.inner.state_dict().items():
        torch.testing.assert_close(again.inner.state_dict()[name], value)
        torch.testing.assert_close(again.average[name], run.average[name])


def test_averaged_weights_last_no_longer_than_their_context(tmp_path: Path) -> None:
    run = Run(_Line(), _options(tmp_path, 1))
    raw = run.inner.out.weight.detach().clone()
    run.average = {name: torch.zeros_like(value) for name, value in run.average.items()}
    with run.averaged() as module:
        assert module.out.weight.abs().max() == 0
    torch.testing.assert_close(run.inner.out.weight.detach(), raw)
