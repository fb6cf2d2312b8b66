"""The log files of a running service: what happened to one job, through every deployment."""

import json

import httpx
import pytest
from conftest import DEPLOYMENTS, RunningService

from tests.support.inputs import png
from tests.support.waiting import until

pytestmark = [pytest.mark.http, pytest.mark.graph]

OPTIONS = {"seed": 1, "num_inference_steps": 2, "max_parts": 1, "preview": False}


def records(service: RunningService, **fields: str) -> list[dict[str, object]]:
    """What the replicas of the newest start have logged with these fields."""
    folder = service.folder / "ray" / "session_latest" / "logs" / "serve"
    lines = [line for path in folder.glob("replica_*.log") for line in path.read_text().splitlines()]
    return [record for record in map(json.loads, lines) if fields.items() <= record.items()]


def deployments_of(found: list[dict[str, object]]) -> set[str]:
    return {str(record["deployment"]).removeprefix("autopartgen_") for record in found}


def test_every_deployment_logs_the_job_and_the_request_that_it_works_for(service: RunningService) -> None:
    with service.client as client:
        answer = httpx.post(
            f"{service.url}/v1/jobs",
            files={"image": ("chair.png", png())},
            data={"options": json.dumps(OPTIONS)},
            headers={"X-Request-ID": "asked by a test"},
        )
        job = client.wait(answer.json()["id"]).result()
    wanted = {"job": job.id, "request_id": "asked by a test"}
    until(
        lambda: deployments_of(records(service, **wanted)) == set(DEPLOYMENTS),
        seconds=60,
        what=f"records of {DEPLOYMENTS}, not only of {deployments_of(records(service, **wanted))}",
    )
    [sampled] = records(service, **wanted, deployment="autopartgen_PartSampler", levelname="INFO")[:1]
    assert str(sampled["message"]).startswith("CALL sample OK")
    told = {str(record["message"]) for record in records(service, **wanted)}
    assert {"job queued", "job claimed", "part accepted", "job succeeded"} <= told
    of_the_request = records(service, request_id="asked by a test")
    assert {record["job"] for record in of_the_request if "job" in record} == {job.id}
