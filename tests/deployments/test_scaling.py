"""Replicas follow the jobs that the store has, not only the requests that Serve sees."""

import pytest
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from deployments.scaling import UNFINISHED_JOBS, replicas_for_jobs


def context(*, told: dict[str, float] | None = None, requests: float = 0, jobs_each: float = 8) -> AutoscalingContext:
    return AutoscalingContext(
        deployment_id=None,
        deployment_name="",
        app_name="",
        current_num_replicas=1,
        target_num_replicas=1,
        running_replicas=[],
        total_num_requests=requests,
        total_queued_requests=0,
        aggregated_metrics={} if told is None else {UNFINISHED_JOBS: told},
        raw_metrics={},
        capacity_adjusted_min_replicas=1,
        capacity_adjusted_max_replicas=8,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=0,
        config=AutoscalingConfig(min_replicas=1, max_replicas=8, target_ongoing_requests=jobs_each),
    )


def test_jobs_that_wait_in_the_store_are_counted_for_every_deployment() -> None:
    contexts = {
        "Orchestrator": context(told={"one": 64, "two": 63}, jobs_each=16),
        "PartSampler": context(requests=32, jobs_each=8),
        "MeshWorker": context(jobs_each=2),
    }
    assert replicas_for_jobs(contexts) == ({"Orchestrator": 4, "PartSampler": 8, "MeshWorker": 32}, {})


def test_two_orchestrators_of_sixteen_jobs_do_not_hold_eight_samplers_back() -> None:
    """With what Serve sees alone, 32 requests, it was four."""
    sizes, _ = replicas_for_jobs({"o": context(told={"": 100}), "sampler": context(requests=32, jobs_each=8)})
    assert sizes["sampler"] > 8


@pytest.mark.parametrize("told", [None, {}, {"one": 0.0}])
def test_requests_count_where_nothing_is_told_of_jobs(told: dict[str, float] | None) -> None:
    assert replicas_for_jobs({"one": context(told=told, requests=12, jobs_each=4)})[0] == {"one": 3}
    assert replicas_for_jobs({"one": context(told=told)})[0] == {"one": 0}
