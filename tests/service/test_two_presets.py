"""Two presets in one service, each in an application of its own, under a route prefix."""

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients import AutoPartGenClient
from tests.service.conftest import START_SECONDS, RunningService
from tests.support.inputs import png
from tests.support.waiting import until

pytestmark = [pytest.mark.graph, pytest.mark.http, pytest.mark.timeout(1800)]

PREFIX = "/apg"
OPTIONS = {"num_inference_steps": 2, "best_of": 1, "max_parts": 1, "preview": False, "grid_size": 32}
END_SECONDS = 600.0
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


class TwoPresets(RunningService):
    """`nano`, and beside it `tiny`, which begins to start when it is asked to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "held.py").write_text(HELD)
        self.url += PREFIX

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        [first] = settings["applications"]
        second = copy.deepcopy(first)
        first |= {"route_prefix": PREFIX}
        first["args"]["more_presets"] = ["tiny"]
        second |= {"name": "tiny", "route_prefix": None, "import_path": "held:build_when_asked"}
        second["runtime_env"] = {"env_vars": {"PYTHONPATH": f"{self.folder}:{os.environ.get('PYTHONPATH', '')}"}}
        second["args"]["models"]["preset"] = "tiny"
        second["deployments"] = [one for one in second["deployments"] if one["name"] != "Ingress"]
        settings["applications"].append(second)
        return settings

    def words(self) -> str:
        """What it says of whether it is ready."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).text
        except httpx.TransportError:
            return ""


@pytest.fixture
def two() -> Iterator[TwoPresets]:
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        running = TwoPresets(Path(folder))
        try:
            running.launch()
            yield running
        finally:
            running.stop()


def test_ready_are_all_presets_or_none_and_each_job_is_run_by_the_application_of_its_preset(two: TwoPresets) -> None:
    until(lambda: "nano is ready; tiny is waiting for" in two.words(), seconds=START_SECONDS, what="ready in part")
    assert not two.is_ready()
    (two.folder / "go").touch()
    until(two.is_ready, seconds=START_SECONDS, what=f"ready; see {two.log}")
    assert json.loads(two.words()) == {"status": "ok", "presets": ["nano", "tiny"]}
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
