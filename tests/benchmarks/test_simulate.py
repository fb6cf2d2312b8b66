"""The model agrees with what can be worked out by hand."""

import dataclasses

import pytest

from benchmarks.graph import WRITES_OF_A_JOB, WRITES_OF_A_PART, Mode, Setting, Work, simulate
from benchmarks.simulate import H100

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


def test_jobs_on_a_laptop_take_what_its_cores_have_to_do() -> None:
    times = dataclasses.replace(H100, call=0.0, store=0.0)
    work = Work(mode=MESH, parts=1, decoded=1, sampled=1)
    laptop = dataclasses.replace(STEADY, times=times, cores=1, works=[work] * 4, jobs_per_gpu=4, max_rows=2)
    one_job = 50 * (times.step + 2 * times.row) + 2 * times.encode + times.decode
    one_job += times.surface + times.extract + times.overlap + times.cleanup + times.package
    alone = simulate(dataclasses.replace(laptop, works=[work], jobs_per_gpu=1))
    together = simulate(laptop)
    assert alone.seconds == pytest.approx([one_job])
    assert max(together.seconds) == pytest.approx(4 * one_job, rel=0.01)
    beside = simulate(dataclasses.replace(laptop, works=[work], jobs_per_gpu=1, strangers=1))
    assert beside.seconds == pytest.approx([2 * one_job], rel=0.05)


def test_a_second_core_is_used_where_two_stages_can_work_at_once() -> None:
    work = Work(mode=MESH, parts=1, decoded=1, sampled=1)
    one = dataclasses.replace(STEADY, cores=1, works=[work] * 4, jobs_per_gpu=4)
    two = dataclasses.replace(one, cores=2)
    assert max(simulate(two).seconds) < 0.75 * max(simulate(one).seconds)
