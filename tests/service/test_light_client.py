"""The client's own distribution, alone in a fresh environment, against a running service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh

from tests.service.conftest import ROOT, RunningService
from tests.support.inputs import box_glb, two_blocks_png

pytestmark = [pytest.mark.http, pytest.mark.network, pytest.mark.timeout(1800)]

MOST_BYTES = 16 * 2**20

SCRIPT = r"""
import sys
from clients import AsyncAutoPartGenClient, AutoPartGenClient
with AutoPartGenClient(sys.argv[1]) as client:
    heard = []
    job = client.generate(
        mesh="box.glb", output_dir="python", options={"max_parts": 2, "preview": False}, on_event=heard.append
    )
    assert [event.part.name for event in heard if event.part] == ["mesh_000.glb", "mesh_001.glb"], heard
    assert heard[-1].is_last
    assert client.suggest_mask("blocks.png").regions == 2
    assert client.suggest_mask_png("blocks.png")[:4] == b"\x89PNG"
print(job.status, sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "numpy", "ray", "rich"}))
"""


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's programs."""
    home = tmp_path_factory.mktemp("light") / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, home], check=True)
    python = home / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, ROOT / "packages" / "client"], check=True)
    return python.parent


def run(light: Path, folder: Path, *command: object) -> str:
    program, *words = map(str, command)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [light / program, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_client_alone_is_small(light: Path) -> None:
    [packages] = (light.parent / "lib").glob("python*/site-packages")
    assert sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) < MOST_BYTES


def test_the_client_alone_submits_follows_and_fetches(light: Path, service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb())
    (tmp_path / "blocks.png").write_bytes(two_blocks_png())
    assert run(light, tmp_path, "python", "-c", SCRIPT, service.url) == "succeeded []\n"
    assert len(trimesh.load(tmp_path / "python" / "mesh_001.glb", force="mesh").faces) > 0


def test_its_command_line_submits_follows_and_fetches(light: Path, service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb())
    options = ["--option", "max_parts=1", "--option", "preview=false"]
    [job] = run(light, tmp_path, "apg", "submit", "--url", service.url, "--mesh", "box.glb", *options).split()
    assert "succeeded" in run(light, tmp_path, "apg", "watch", "--url", service.url, job)
    fetched = run(light, tmp_path, "apg", "fetch", "--url", service.url, job, "--output_path", "out").split()
    assert {"mesh_000.glb", "manifest.json"} <= {Path(path).name for path in fetched}
    assert job in run(light, tmp_path, "apg", "status", "--url", service.url)
