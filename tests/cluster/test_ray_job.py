"""A batch that is submitted to a running Ray, as docs/batch.md says."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
import pytest

from tests.support.inputs import box_glb, png
from tests.support.nodes import ENVIRONMENT, OBJECT_STORE_BYTES, START_SECONDS
from tests.support.waiting import until

pytestmark = [pytest.mark.graph, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
END_SECONDS = 900.0
SMALL = ["--preset", "nano", "--grid_size", "16", "--num_inference_steps", "2", "--max_parts", "2", "--no_preview"]


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """The address that jobs are sent to, of a head with four CPUs."""
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        port, agent = free_port(), free_port()
        environment = {**os.environ, **ENVIRONMENT, "HOME": folder, "RAY_TMPDIR": folder}
        environment.pop("RAY_ADDRESS", None)
        flags = ["--port", str(free_port()), "--dashboard-port", str(port), "--num-cpus", "4"]
        flags += ["--node-ip-address", "127.0.0.1", "--object-store-memory", str(OBJECT_STORE_BYTES)]
        # Ports that Ray fixes otherwise, and that another Ray on this machine may have.
        flags += ["--dashboard-agent-listen-port", str(agent), "--ray-client-server-port", str(free_port())]
        head = psutil.Popen(
            [program("ray"), "start", "--head", "--block", *flags],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # Without its agent, which may start later, the head refuses jobs.
            for address in (
                f"http://127.0.0.1:{port}/api/version",
                f"http://127.0.0.1:{agent}/api/local_raylet_healthz",
            ):
                until(lambda asked=address: answers(asked), seconds=START_SECONDS, what=f"an answer of {address}")
            yield f"http://127.0.0.1:{port}"
        finally:
            processes = [head, *head.children(recursive=True)]
            head.terminate()
            _, alive = psutil.wait_procs(processes, timeout=60)
            for process in alive:
                process.kill()


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).is_success
    except httpx.TransportError:
        return False


def test_a_submitted_job_leaves_the_parts_of_every_object(dashboard: str, tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "picture.png").write_bytes(png())
    (source / "box.glb").write_bytes(box_glb())
    environment = {**os.environ, **ENVIRONMENT, "RAY_API_SERVER_ADDRESS": dashboard}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "-m", "cluster.batch", str(source), str(output), *SMALL]
    ran = subprocess.run(
        [program("ray"), "job", "submit", "--working-dir", ".", "--", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert re.search(r"Job 'raysubmit_\w+' succeeded", ran.stdout), ran.stdout[-4000:]
    rows = pq.read_table(output / "results.parquet").to_pylist()
    assert [(row["id"], row["parts"]) for row in rows] == [("box", 2), ("picture", 2)]
    assert (output / "box" / "mesh_001.glb").is_file()
