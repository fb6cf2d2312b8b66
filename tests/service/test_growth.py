"""A burst of jobs grows the graph to its limits, though most of them only wait in the job store; then it shrinks."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import RunningService
from tests.support.inputs import png
from tests.support.waiting import until

pytestmark = [pytest.mark.graph, pytest.mark.http, pytest.mark.timeout(1800)]

BURST = 40
MOST = {"Orchestrator": 2, "PartSampler": 3}
QUICK = {"min_replicas": 1, "look_back_period_s": 2, "metrics_interval_s": 0.5, "upscale_delay_s": 1}
GROWS = {
    # Two jobs a replica, twice: of 40 jobs Serve itself sees at most four, which two samplers would be enough for.
    "Orchestrator": {**QUICK, "max_replicas": 2, "target_ongoing_requests": 2, "downscale_delay_s": 2},
    "PartSampler": {**QUICK, "max_replicas": 3, "target_ongoing_requests": 2, "downscale_delay_s": 2},
}
OPTIONS = {"num_inference_steps": 30, "best_of": 1, "max_parts": 2, "preview": False, "grid_size": 32}
END_SECONDS = 600.0


class GrowingService(RunningService):
    """One whose orchestrators and samplers follow the jobs."""

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        [application] = settings["applications"]
        application["autoscaling_policy"] = {"policy_function": "deployments.scaling:replicas_for_jobs"}
        application["args"]["concurrent_jobs"] = 2
        for deployment in application["deployments"]:
            if (scaling := GROWS.get(deployment["name"])) is not None:
                del deployment["num_replicas"]
                deployment["autoscaling_config"] = scaling
        return settings

    def sizes(self) -> dict[str, int]:
        """Replicas of what grows."""
        return {name: len(self.replicas(name)) for name in MOST}


@pytest.fixture
def growing() -> Iterator[GrowingService]:
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        running = GrowingService(Path(folder))
        try:
            running.start()
            yield running
        finally:
            running.stop()


def test_a_burst_of_jobs_grows_the_samplers_to_their_maximum_and_they_shrink_again(growing: GrowingService) -> None:
    assert growing.sizes() == {"Orchestrator": 1, "PartSampler": 1}
    with growing.client as client, ThreadPoolExecutor(8) as callers:
        jobs = list(
            callers.map(lambda seed: client.submit(image=png(), options=OPTIONS | {"seed": seed}), range(BURST))
        )
        until(lambda: growing.sizes() == MOST, seconds=END_SECONDS, what=f"{MOST} replicas")
        ended = [client.wait(job.id, timeout=END_SECONDS) for job in jobs]
    assert [job.status for job in ended] == ["succeeded"] * BURST
    until(
        lambda: growing.sizes() == {"Orchestrator": 1, "PartSampler": 1},
        seconds=END_SECONDS,
        what="one replica of each again",
    )
