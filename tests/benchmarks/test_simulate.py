"""The model agrees with what can be worked out by hand."""

import dataclasses

import pytest

from benchmarks.simulate import H100, WRITES_OF_A_JOB, WRITES_OF_A_PART, Mode, Setting, simulate

MESH = Mode("mesh", False, False, 2)
STEADY = Setting(times=H100, modes=(MESH,), jitter=0.0, mean_parts=0.001, jobs_per_gpu=1, jobs=40)  # one part each


def seconds_of_one_job() -> tuple[float, float]:
    """Of a mesh with one part, alone: all of it, and what is on the GPU."""
    times = H100
    sampling = 2 * 50 * (times.step + 2 * times.row)  # the part, and the end
    gpu = sampling + 3 * times.encode + times.decode
    cpu = 2 * times.surface + times.extract + times.overlap + times.cleanup + times.package
    store = (WRITES_OF_A_JOB + WRITES_OF_A_PART) * times.store
    calls = 12 * times.call
    return gpu + cpu + store + calls, gpu


def test_a_job_alone_takes_the_sum_of_its_stages() -> None:
    found = simulate(STEADY)
    total, gpu = seconds_of_one_job()
    assert found.seconds == pytest.approx([total] * len(found.seconds))
    assert found.jobs_per_hour == pytest.approx(3600 / total)
    assert found.gpu_busy == pytest.approx(gpu / total, rel=1e-3)
    assert found.mean_rows == 2


def test_a_full_gpu_gives_what_its_seconds_allow() -> None:
    found = simulate(dataclasses.replace(STEADY, jobs_per_gpu=24, cpus_per_gpu=64, jobs=600))
    rows_alone = 2 * 50 * 2 * H100.row + 3 * H100.encode + H100.decode
    assert found.gpu_busy > 0.97
    assert found.jobs_per_hour == pytest.approx(3600 / rows_alone, rel=0.1)


def test_few_cpus_hold_a_gpu_back() -> None:
    found = simulate(dataclasses.replace(STEADY, jobs_per_gpu=24, cpus_per_gpu=1, jobs=300))
    geometry = 2 * H100.surface + H100.extract + H100.overlap + H100.cleanup + H100.package
    assert found.cpu_busy > 0.97
    assert found.jobs_per_hour == pytest.approx(3600 / geometry, rel=0.05)


def test_rows_above_the_limit_wait() -> None:
    found = simulate(dataclasses.replace(STEADY, jobs_per_gpu=24, cpus_per_gpu=64, max_rows=4, jobs=200))
    assert found.mean_rows <= 4
