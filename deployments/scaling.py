"""How many replicas each deployment gets: enough for the jobs that there are, of which those that wait are in the job
store, where Serve does not look.

A Serve config names `replicas_for_jobs` as its application's `autoscaling_policy`. It sizes each deployment that has an
`autoscaling_config`, within its limits: `target_ongoing_requests` is the number of jobs that one replica serves.
"""

from collections.abc import Hashable, Mapping
from typing import TypeVar

from ray.serve.config import AutoscalingContext

UNFINISHED_JOBS = "unfinished_jobs"
"""What each orchestrator tells Serve: jobs that are queued or run, whoever runs them."""

Deployment = TypeVar("Deployment", bound=Hashable)


def replicas_for_jobs(
    contexts: Mapping[Deployment, AutoscalingContext],
) -> tuple[dict[Deployment, float], dict[Deployment, dict[str, object]]]:
    """As many replicas as the unfinished jobs need, or the requests where these are more; nothing is remembered."""
    jobs = max(map(_told, contexts.values()), default=0.0)
    return {deployment: _replicas(context, jobs) for deployment, context in contexts.items()}, {}


def _told(context: AutoscalingContext) -> float:
    told = (context.aggregated_metrics or {}).get(UNFINISHED_JOBS, {})
    return max(told.values(), default=0.0)


def _replicas(context: AutoscalingContext, jobs: float) -> float:
    assert context.config is not None
    return max(jobs, context.total_num_requests) / float(context.config.get_target_ongoing_requests())
