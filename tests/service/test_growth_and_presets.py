"""A service that grows with its jobs, of two presets, each in an application of its own, under a route prefix."""

import copy
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients import AutoPartGenClient
from tests.service.conftest import START_SECONDS, RunningService, in_own_folder
from tests.support.inputs import png
from tests.support.waiting import until

pytestmark = [pytest.mark.graph, pytest.mark.http, pytest.mark.timeout(1800)]

PREFIX = "/apg"
HELD = """
import time
from pathlib import Path
from deployments.app import build_preset
from deployments.settings import AppArgs

def build_when_asked(args: AppArgs):
    while not (Path(__file__).parent / "go").exists():
        time.sleep(0.1)
    return build_preset(args)
"""
BURST = 40
FEWEST = {"Orchestrator": 1, "PartSampler": 1}
MOST = {"Orchestrator": 2, "PartSampler": 3}
QUICK = {"min_replicas": 1, "look_back_period_s": 2, "metrics_interval_s": 0.5, "upscale_delay_s": 1}
GROWS = {
    # Two jobs a replica, twice: of 40 jobs Serve itself sees at most four, which two samplers would be enough for.
    name: {**QUICK, "max_replicas": most, "target_ongoing_requests": 2, "downscale_delay_s": 2}
    for name, most in MOST.items()
}
OPTIONS = {"num_inference_steps": 2, "best_of": 1, "max_parts": 1, "preview": False, "grid_size": 32}
LONGER = {**OPTIONS, "num_inference_steps": 30, "max_parts": 2}
END_SECONDS = 600.0


class GrowingService(RunningService):
    """`nano`, whose replicas follow the jobs, and beside it `tiny`, which begins to start when it is asked to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "held.py").write_text(HELD)
        self.url += PREFIX

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        [first] = settings["applications"]
        second = copy.deepcopy(first)
        first |= {
            "route_prefix": PREFIX,
            "autoscaling_policy": {"policy_function": "deployments.scaling:replicas_for_jobs"},
        }
        first["args"] |= {"more_presets": ["tiny"], "concurrent_jobs": 2}
        for deployment in first["deployments"]:
            if (scaling := GROWS.get(deployment["name"])) is not None:
                del deployment["num_replicas"]
                deployment["autoscaling_config"] = scaling
        second |= {"name": "tiny", "route_prefix": None, "import_path": "held:build_when_asked"}
        second["runtime_env"] = {"env_vars": {"PYTHONPATH": f"{self.folder}:{os.environ.get('PYTHONPATH', '')}"}}
        second["args"]["models"]["preset"] = "tiny"
        second["deployments"] = [one for one in second["deployments"] if one["name"] != "Ingress"]
        for deployment in second["deployments"]:
            deployment["ray_actor_options"] = {"num_cpus": 0}  # the first is to have room to grow on any machine
        settings["applications"].append(second)
        return settings

    def words(self) -> str:
        """What it says of whether it is ready."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).text
        except httpx.TransportError:
            return ""

    def sizes(self) -> dict[str, int]:
        """Replicas of what grows."""
        return {name: len(self.replicas(name)) for name in MOST}


@pytest.fixture(scope="module")
def growing() -> Iterator[GrowingService]:
    with in_own_folder(GrowingService) as running:
        running.launch()
        yield running


def test_ready_are_all_presets_or_none_and_each_job_is_run_by_the_application_of_its_preset(
    growing: GrowingService,
) -> None:
    until(lambda: "nano is ready; tiny is waiting for" in growing.words(), seconds=START_SECONDS, what="ready in part")
    assert not growing.is_ready()
    (growing.folder / "go").touch()
    until(growing.is_ready, seconds=START_SECONDS, what=f"ready; see {growing.log}")
    assert json.loads(growing.words()) == {"status": "ok", "presets": ["nano", "tiny"]}
    with AutoPartGenClient(growing.url) as client:
        asked = [client.submit(image=png(), options=OPTIONS, preset=name) for name in (None, "tiny", "nano", "tiny")]
        ended = [client.wait(job.id, timeout=END_SECONDS) for job in asked]
        assert [(job.status, job.preset) for job in ended] == [
            ("succeeded", name) for name in ("nano", "tiny", "nano", "tiny")
        ]
        for job in ended:
            assert job.links.self == f"{PREFIX}/v1/jobs/{job.id}"
            [manifest] = [one for one in job.artifacts if one.name == "manifest.json"]
            content = httpx.get(httpx.URL(growing.url).join(manifest.url)).content
            assert json.loads(content)["preset"] == job.preset
        page = httpx.get(growing.url, follow_redirects=True)
        assert (page.status_code, str(page.url)) == (200, f"{growing.url}/")


def test_a_burst_of_jobs_grows_the_samplers_to_their_maximum_and_they_shrink_again(growing: GrowingService) -> None:
    """Though most of them only wait in the job store."""
    until(lambda: growing.sizes() == FEWEST, seconds=END_SECONDS, what=f"{FEWEST} replicas")
    with growing.client as client, ThreadPoolExecutor(8) as callers:
        jobs = list(callers.map(lambda seed: client.submit(image=png(), options=LONGER | {"seed": seed}), range(BURST)))
        until(lambda: growing.sizes() == MOST, seconds=END_SECONDS, what=f"{MOST} replicas")
        ended = [client.wait(job.id, timeout=END_SECONDS) for job in jobs]
    assert [job.status for job in ended] == ["succeeded"] * BURST
    until(lambda: growing.sizes() == FEWEST, seconds=END_SECONDS, what=f"{FEWEST} replicas again")
