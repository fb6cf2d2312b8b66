"""Edits and mask suggestions over HTTP: statuses, headers, problems."""

import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from apg_core.inputs import read_mask
from tests.sandbox.test_suggestion import discs
from tests.support.http_server import Server
from tests.support.inputs import png

SERVER: dict[str, Any] = {"keys": {"ann": "secret", "bob": "other"}}
ANN, BOB = ({"Authorization": f"Bearer {key}"} for key in ("secret", "other"))


def cancelled(http: httpx.Client) -> str:
    """Id of a job that was cancelled before it ran."""
    job = http.post("/v1/jobs", files={"image": ("a.png", png())}, headers=ANN).json()
    assert http.post(f"/v1/jobs/{job['id']}/cancel", headers=ANN).json()["status"] == "cancelled"
    return str(job["id"])


def test_an_edit_is_answered_as_a_submission_is_and_a_key_makes_it_once(server: Server) -> None:
    with server.client as http:
        parent = cancelled(http)
        headers = ANN | {"Idempotency-Key": "once"}
        first, again = (
            http.post(f"/v1/jobs/{parent}/edits", json={"operation": "continue"}, headers=headers) for _ in range(2)
        )
        assert (first.status_code, again.status_code) == (202, 202)
        job = first.json()
        assert first.headers["location"] == f"/v1/jobs/{job['id']}"
        assert (job["parent"], job["edit"]) == (parent, {"operation": "continue", "options": {}})
        assert again.json()["id"] == job["id"]
        assert again.headers["idempotency-replayed"] == "true"
        other = http.post(
            f"/v1/jobs/{parent}/edits", json={"operation": "continue", "options": {"seed": 1}}, headers=headers
        )
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
        running = http.post(f"/v1/jobs/{job['id']}/edits", json={"operation": "continue"}, headers=ANN)
        assert (running.status_code, running.json()["code"]) == (409, "job_not_ended")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"operation": "remove", "parts": [0]}, 422, "invalid_edit", "parts"),
        ({"operation": "undo"}, 422, "invalid_edit", "operation"),
        ({"operation": "continue", "options": {"sed": 1}}, 422, "invalid_option", "sed"),
        ({"operation": "continue", "options": {"max_parts": 900}}, 422, "invalid_option", "max_parts"),
        ([1], 422, "invalid_input", "body"),
    ],
)
def test_an_edit_that_does_not_fit_is_a_problem_with_its_field(
    server: Server, body: object, status: int, code: str, field: str
) -> None:
    with server.client as http:
        answer = http.post(f"/v1/jobs/{cancelled(http)}/edits", json=body, headers=ANN)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)


def test_the_job_of_another_key_is_not_there_to_be_edited(server: Server) -> None:
    with server.client as http:
        parent = cancelled(http)
        for job_id, headers, status in ((parent, BOB, 404), ("0" * 32, ANN, 404), (parent, {}, 401)):
            answer = http.post(f"/v1/jobs/{job_id}/edits", json={"operation": "continue"}, headers=headers)
            assert answer.status_code == status


def disc_png() -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(discs(3)[0]).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_suggestion_is_of_no_preset(server: Server) -> None:
    given: dict[str, Any] = {"files": {"image": ("a.png", disc_png())}, "data": {"preset": "nano"}}
    with server.client as http:
        answer = http.post("/v1/masks", headers=ANN, **given)
    assert (answer.status_code, answer.json()["field"]) == (422, "preset")


def test_a_suggestion_comes_as_every_number_of_regions_or_as_the_mask_itself(server: Server) -> None:
    given: dict[str, Any] = {"files": {"image": ("a.png", disc_png())}, "data": {"options": json.dumps({"regions": 2})}}
    with server.client as http:
        suggestion = http.post("/v1/masks", headers=ANN, **given).json()
        mask = http.post("/v1/masks", headers=ANN | {"Accept": "image/png"}, **given)
    assert (suggestion["width"], suggestion["height"], suggestion["regions"]) == (400, 300, 2)
    assert sum(suggestion["runs"][1::2]) == 400 * 300
    assert mask.headers["content-type"] == "image/png"
    assert np.unique(read_mask(mask.content)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("files", "options", "status", "field"),
    [
        ({"image": ("a.png", b"no picture")}, {}, 422, "image"),
        ({"mesh": ("a.obj", b"v 0 0 0")}, {}, 422, "mesh"),
        ({"image": ("a.png", disc_png())}, {"regions": 0}, 422, "regions"),
        ({"image": ("a.png", disc_png())}, {"regions": 500}, 413, "regions"),
        ({"image": ("a.png", disc_png())}, {"seed": 1}, 422, "seed"),
    ],
)
def test_what_no_mask_can_be_suggested_for_is_a_problem(
    server: Server, files: dict[str, Any], options: dict[str, Any], status: int, field: str
) -> None:
    with server.client as http:
        answer = http.post("/v1/masks", headers=ANN, files=files, data={"options": json.dumps(options)})
    assert (answer.status_code, answer.json()["field"]) == (status, field)
