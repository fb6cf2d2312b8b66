"""A client by a generator of the trade, in an environment of its own: it says no word of doubt, and all of it works."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.browser import WholeService
from tests.support.inputs import box_glb, two_blocks_png

pytestmark = [pytest.mark.network, pytest.mark.timeout(1800)]

GENERATOR = "openapi-python-client==0.29.1"

SCRIPT = r"""
import json
import sys
from io import BytesIO
from auto_part_gen_client import Client, models
from auto_part_gen_client.api.artifacts import fetch_artifact
from auto_part_gen_client.api.jobs import cancel_job, delete_job, edit_job, follow_job, get_job, list_jobs, submit_job
from auto_part_gen_client.api.masks import suggest_mask
from auto_part_gen_client.api.service import check_alive, check_ready, get_limits, get_metrics, list_models
from auto_part_gen_client.types import File

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True, timeout=120)


def file(name):
    return File(payload=BytesIO(open(name, "rb").read()), file_name=name)


options = models.GenerationOptions(max_parts=2, preview=False, seed=3)
form = models.JobForm(mesh=file("box.glb"), options=options)
job = submit_job.sync(client=client, body=form, prefer="wait=100")
assert (job.status, job.parts_done, job.options.additional_properties["seed"]) == ("succeeded", 2, 3)
assert get_job.sync(job.id, client=client).inputs == job.inputs
assert [one.id for one in list_jobs.sync(client=client).jobs] == [job.id]
assert follow_job.sync(job.id, client=client).count("event: part") == 2
assert fetch_artifact.sync(job.id, "mesh_001.glb", client=client).payload.read(4) == b"glTF"
assert json.load(fetch_artifact.sync(job.id, "manifest.json", client=client).payload)["mode"] == "mesh"
names = models.RenameNames.from_dict({"0": "seat"})
edited = edit_job.sync(job.id, client=client, body=models.Rename(operation="rename", names=names), prefer="wait=100")
assert (edited.status, edited.parent) == ("succeeded", job.id)
assert cancel_job.sync(job.id, client=client).status == "succeeded"
assert delete_job.sync_detailed(edited.id, client=client).status_code == 204
assert get_job.sync(edited.id, client=client).code == "not_found"
assert submit_job.sync(client=client, body=models.JobRequest(image="AAAA")).field == "image"
assert suggest_mask.sync(client=client, body=models.SuggestMaskFilesBody(image=file("blocks.png"))).regions == 2
assert list_models.sync(client=client).models[0].name == "nano"
assert get_limits.sync(client=client).jobs_per_key > 0
assert (check_alive.sync(client=client).status, check_ready.sync(client=client).presets) == ("ok", ["nano"])
assert "apg_jobs_finished_total" in get_metrics.sync(client=client)
print("all of it works")
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[WholeService]:
    running = WholeService(tmp_path)
    running.start()
    yield running
    running.kill()


def test_a_client_that_a_generator_makes_of_the_description_works(service: WholeService, tmp_path: Path) -> None:
    uv, home = Path(sys.executable).with_name("uv"), tmp_path / "venv"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, home], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", home / "bin" / "python", GENERATOR], check=True)
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{service.url}/openapi.json").content)
    (tmp_path / "config.yaml").write_text("post_hooks: []")
    (tmp_path / "box.glb").write_bytes(box_glb())
    (tmp_path / "blocks.png").write_bytes(two_blocks_png())
    flags = ["--path", "openapi.json", "--config", "config.yaml", "--meta", "none", "--fail-on-warning"]
    flags += ["--output-path", "auto_part_gen_client"]
    made = run(tmp_path, home / "bin" / "openapi-python-client", "generate", *flags)
    assert "WARNING" not in made
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run(tmp_path, home / "bin" / "python", "script.py", service.url) == "all of it works\n"


def run(folder: Path, *command: object) -> str:
    ran = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
