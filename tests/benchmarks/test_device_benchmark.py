"""The dry run of the GPU benchmark: every stage runs at nano size on a CPU, and a figure out of bounds is a failure."""

import json
from pathlib import Path

import pytest

from benchmarks import device
from benchmarks.device import STAGES, Bench, Found, main


def test_every_stage_runs_on_a_cpu_and_finds_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", "nano", "--device", "cpu", "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert {one["stage"] for one in found} == set(STAGES)
    assert all(one["value"] >= 0 for one in found)
    shown = capsys.readouterr().out
    assert "a dry run" in shown
    assert "all within their bounds" in shown


@pytest.mark.parametrize("value", [2.0, float("nan")])
def test_a_figure_out_of_bounds_fails_the_run(
    value: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(device.STAGES, "step", lambda _: iter([Found("step", "too slow", value, "ms", 1.0)]))
    assert main(["--preset", "nano", "--device", "cpu", "--stages", "step"]) == 1
    assert "1 of 1 outside" in capsys.readouterr().out


def test_bounds_of_a_gpu_bind_on_a_gpu_only() -> None:
    import torch

    from apg_core.presets import load_preset

    on_cpu, on_gpu = (Bench(load_preset("nano"), torch.device(kind), (32,)) for kind in ("cpu", "cuda"))
    assert on_cpu.bound(3.0) is None
    assert on_gpu.bound(3.0) == 3.0
