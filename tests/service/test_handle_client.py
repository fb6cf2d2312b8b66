"""The client for code inside the cluster, run there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunningService

from deployments.commands import RAY_ENVIRONMENT
from tests.support.inputs import png

pytestmark = [pytest.mark.http, pytest.mark.graph]

PROGRAM = """
import asyncio, sys
from pathlib import Path
import ray
from ray import serve
from clients.handle import HandleClient

async def main(picture: Path, out: Path) -> None:
    client = HandleClient(serve.get_deployment_handle("Ingress", "autopartgen"))
    options = {"seed": 1, "num_inference_steps": 2, "best_of": 2, "max_parts": 1, "preview": False}
    seen = []
    job = await client.generate(
        image=picture, options=options, output_dir=out, on_event=lambda event: seen.append(event.type)
    )
    print(job.status, seen[-1], sorted(file.name for file in out.iterdir()))
    stopped = await client.cancel((await client.submit(image=picture, options={**options, "max_parts": 9})).id)
    rows = await serve.get_deployment_handle("PartSampler", "autopartgen").rows.remote()
    print((await client.wait(stopped.id, timeout=300)).status, rows)
    await client.delete(job.id)
    known = [one.id for one in (await client.jobs(limit=2)).jobs]
    print(stopped.id in known, job.id in known)

ray.init(address=sys.argv[3], log_to_driver=False)
asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def test_a_job_goes_its_whole_way_over_a_handle(service: RunningService, tmp_path: Path) -> None:
    (tmp_path / "chair.png").write_bytes(png())
    [address] = {
        word.removeprefix("--gcs-address=")
        for process in service.processes()
        for word in process.cmdline()
        if word.startswith("--gcs-address=")
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "chair.png"), str(tmp_path / "out"), address],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **RAY_ENVIRONMENT, "HOME": str(service.folder)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second, third = done.stdout.strip().splitlines()
    assert first.startswith("succeeded succeeded ['all.zip', 'latents.safetensors', 'manifest.json', 'mesh_000.glb'")
    assert second == "cancelled 0"
    assert third == "True False"
