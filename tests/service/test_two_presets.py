"""Two presets in one service, each in an application of its own, under a route prefix."""

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients import AutoPartGenClient
from tests.service.conftest import RunningService
from tests.support.inputs import png
from tests.support.waiting import until

pytestmark = [pytest.mark.graph, pytest.mark.http, pytest.mark.timeout(1800)]

PREFIX = "/apg"
OPTIONS = {"num_inference_steps": 2, "best_of": 1, "max_parts": 1, "preview": False, "grid_size": 32}
END_SECONDS = 600.0


class TwoPresets(RunningService):
    """`nano`, and beside it `tiny`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url += PREFIX

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        [first] = settings["applications"]
        second = copy.deepcopy(first)
        first |= {"route_prefix": PREFIX}
        first["args"]["more_presets"] = ["tiny"]
        second |= {"name": "tiny", "route_prefix": None, "import_path": "deployments.app:build_preset"}
        second["args"]["models"]["preset"] = "tiny"
        second["deployments"] = [one for one in second["deployments"] if one["name"] != "Ingress"]
        settings["applications"].append(second)
        return settings


@pytest.fixture
def two() -> Iterator[TwoPresets]:
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        running = TwoPresets(Path(folder))
        try:
            running.start()
            yield running
        finally:
            running.stop()


def test_each_job_is_run_by_the_application_of_its_preset(two: TwoPresets) -> None:
    with AutoPartGenClient(two.url) as client:
        asked = [client.submit(image=png(), options=OPTIONS, preset=name) for name in (None, "tiny", "nano", "tiny")]
        ended = [client.wait(job.id, timeout=END_SECONDS) for job in asked]
        assert [(job.status, job.preset) for job in ended] == [
            ("succeeded", name) for name in ("nano", "tiny", "nano", "tiny")
        ]
        for job in ended:
            assert job.links.self == f"{PREFIX}/v1/jobs/{job.id}"
            [manifest] = [one for one in job.artifacts if one.name == "manifest.json"]
            content = httpx.get(httpx.URL(two.url).join(manifest.url)).content
            assert json.loads(content)["preset"] == job.preset
        page = httpx.get(two.url, follow_redirects=True)
        assert (page.status_code, str(page.url)) == (200, f"{two.url}/")
    until(two.is_ready, seconds=60, what="ready still")
