"""Jobs are understood by clients and services of other versions."""

from typing import Any

from apg_core.protocol.job import Job

OF_AN_OLDER_SERVICE: dict[str, Any] = {
    "id": "0" * 32,
    "status": "queued",
    "stage": None,
    "progress": 0.0,
    "parts_done": 0,
    "parts_total": None,
    "queue_position": 0,
    "created_at": "2026-11-22T11:47:11.709441Z",
    "started_at": None,
    "finished_at": None,
    "attempt": 0,
    "seed": 7,
    "mode": "image",
    "stop_reason": None,
    "artifacts": [],
    "error": None,
    "request_id": None,
    "links": {"self": "/a", "events": "/b", "cancel": "/c"},
}


def test_a_job_of_an_older_service_shows_no_options_and_no_inputs() -> None:
    job = Job.model_validate(OF_AN_OLDER_SERVICE)
    assert (job.options, job.inputs) == ({}, {})


def test_a_job_of_a_newer_service_may_have_options_and_fields_that_are_not_known_here() -> None:
    job = Job.model_validate(OF_AN_OLDER_SERVICE | {"options": {"seed": 7, "sparkle": True}, "mood": "good"})
    assert job.options == {"seed": 7, "sparkle": True}
