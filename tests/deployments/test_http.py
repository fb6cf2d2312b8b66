"""The HTTP interface over real stores: submit, look, follow, fetch, cancel, delete."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, connect_sse
from sqlalchemy import update

from apg_core.protocol.options import GenerationOptions
from deployments.stores.jobs.leases import JobEnd
from deployments.stores.jobs.tables import jobs
from tests.support.http_server import Server
from tests.support.inputs import box_glb, mask_png, png

AS_JSON = {"Content-Type": "application/json"}
AS_FORM = {"Content-Type": "multipart/form-data; boundary=x"}
LONE_SURROGATE = rb'{"image": "AAAA", "options": {"\ud800": 1}}'
PROBLEM_FIELDS = {"type", "title", "status", "detail", "code", "field", "retryable", "request_id"}


def submit(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/v1/jobs", files={"image": ("chair.png", png())}, headers=headers)


def told(stream: EventSource) -> Iterator[ServerSentEvent]:
    """The events of a stream; httpx-sse gives heartbeats as events without data."""
    return (event for event in stream.iter_sse() if event.data)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == PROBLEM_FIELDS
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "/tmp" not in answer.text
    assert "Traceback" not in answer.text
    return body


def finish_all(server: Server) -> None:
    while (claim := server.runner.leases.claim("test")) is not None:
        server.runner.succeed(claim)


def test_a_multipart_submission_is_accepted_with_its_location(server: Server) -> None:
    with server.client as client:
        answer = client.post(
            "/v1/jobs",
            files={"image": ("../../chair.png", png()), "mask": ("m.png", mask_png(3)), "mesh": ("box.glb", box_glb())},
            data={"options": json.dumps({"seed": 7})},
        )
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
        assert (job["status"], job["mode"], job["seed"], job["parts_total"]) == ("queued", "image_mesh_mask", 7, 3)
        assert job["artifacts"] == []
        assert job["inputs"] == {
            "image": {"name": "chair.png", "sha256": hashlib.sha256(png()).hexdigest()},
            "mask": {"name": "m.png", "sha256": hashlib.sha256(mask_png(3)).hexdigest()},
            "mesh": {"name": "box.glb", "sha256": hashlib.sha256(box_glb()).hexdigest()},
        }
        complete = server.service.desk.preset.complete(GenerationOptions(seed=7))
        assert job["options"] == complete.model_dump(mode="json")
        assert job["options"]["num_inference_steps"] == 4  # the preset's default
        assert client.get(job["links"]["self"]).json()["options"] == job["options"]
    finish_all(server)


def test_a_job_that_an_older_version_queued_is_shown_as_it_was_queued(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        with server.service.database.writing() as connection:
            older = update(jobs).where(jobs.c.id == job["id"]).values(options={"seed": 1, "gone": None}, inputs={})
            connection.execute(older)
        shown = client.get(job["links"]["self"]).json()
        assert (shown["options"], shown["inputs"]) == ({"seed": 1, "gone": None}, {})
        client.delete(job["links"]["self"])


def test_json_submissions_with_base64_and_data_uris_are_accepted(server: Server) -> None:
    image = base64.b64encode(png()).decode()
    mesh = f"data:model/gltf-binary;base64,{base64.b64encode(box_glb()).decode()}"
    with server.client as client:
        answer = client.post("/v1/jobs", json={"image": image, "mesh": mesh, "options": {"seed": 3}})
        assert (answer.status_code, answer.json()["mode"]) == (202, "image_mesh")
    finish_all(server)


def test_a_followed_job_tells_all_from_the_start_and_then_the_stream_ends(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        claim = server.runner.claim()
        late = threading.Timer(0.2, lambda: server.runner.succeed(claim, parts=2))
        late.start()
        with connect_sse(client, "GET", job["links"]["events"]) as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            seen = []
            for event in told(stream):
                seen.append(event)
                if event.event == "part":
                    part = event.json()["part"]
                    assert client.get(part["url"]).content in (
                        b"glTF and more",
                        b"final mesh_000.glb",
                        b"final mesh_001.glb",
                    )
        assert [event.event for event in seen] == ["progress", "progress", "part", "progress", "part", "succeeded"]
        assert [int(event.id) for event in seen] == list(range(1, 7))
        with connect_sse(client, "GET", job["links"]["events"], headers={"Last-Event-ID": "4"}) as stream:
            assert [event.id for event in told(stream)] == ["5", "6"]
        done = client.get(job["links"]["self"]).json()
        assert (done["status"], done["progress"], done["stop_reason"]) == ("succeeded", 1.0, "end_of_sequence")
        names = [one["name"] for one in done["artifacts"]]
        assert names == ["all.zip", "mesh_000.glb", "mesh_001.glb", "preview.png"]


def test_an_early_file_that_is_being_fetched_stays_whole_when_the_final_one_comes(server: Server) -> None:
    early, final = b"early" * 300_000, b"final"
    with server.client as client:
        job = submit(client).json()
        claim = server.runner.claim()
        server.runner.accept(claim, 0, early)
        with client.stream("GET", f"{job['links']['self']}/artifacts/mesh_000.glb") as answer:
            chunks = answer.iter_bytes(1000)
            received = next(chunks)
            stored = server.service.desk.artifacts.put(claim.job.id, claim.lease.run, "mesh_000.glb", final)
            server.runner.leases.finish(claim.lease, JobEnd("succeeded", artifacts=[stored]))
            assert received + b"".join(chunks) == early
        assert client.get(f"{job['links']['self']}/artifacts/mesh_000.glb").content == final


def test_fifty_followers_that_leave_in_the_middle_do_no_harm(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        claim = server.runner.claim()

        def glance() -> str:
            with server.client as own, connect_sse(own, "GET", job["links"]["events"]) as stream:
                return next(told(stream)).event

        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(lambda _: glance(), range(50))) == {"progress"}
        server.runner.succeed(claim)
        assert client.get(job["links"]["self"]).json()["status"] == "succeeded"
        with connect_sse(client, "GET", job["links"]["events"]) as stream:
            assert [event.event for event in told(stream)][-1] == "succeeded"


def test_a_silent_stream_is_kept_alive_by_comments_and_is_not_buffered(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        with client.stream("GET", job["links"]["events"]) as answer:
            assert answer.headers["x-accel-buffering"] == "no"
            assert answer.headers["cache-control"] == "no-cache"
            assert next(line for line in answer.iter_lines() if line.startswith(":")) == ": ping"
    finish_all(server)


def test_a_job_says_when_to_ask_again_until_it_has_ended(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        assert client.get(job["links"]["self"]).headers["retry-after"] == "1"
        finish_all(server)
        assert "retry-after" not in client.get(job["links"]["self"]).headers


def test_waiting_gives_the_finished_job_or_the_queued_one(server: Server) -> None:
    with server.client as client:
        waited = submit(client, Prefer="respond-async, wait=0")
        assert (waited.status_code, waited.json()["status"]) == (202, "queued")
        finish_all(server)
        threading.Timer(0.3, lambda: finish_all(server)).start()
        done = submit(client, Prefer="wait=10")
        assert (done.status_code, done.json()["status"]) == (200, "succeeded")
        assert done.headers["preference-applied"] == "wait=10"


def test_one_idempotency_key_makes_one_job_also_when_two_race(server: Server) -> None:
    with server.client as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: submit(client, **{"Idempotency-Key": "race"}), range(4)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 3
        other = client.post("/v1/jobs", files={"mesh": ("b.glb", box_glb())}, headers={"Idempotency-Key": "race"})
        assert problem(other, 422, "idempotency_mismatch")["field"] == "Idempotency-Key"
    finish_all(server)


def test_cancel_is_idempotent_and_keeps_what_was_accepted(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        claim = server.runner.claim()
        server.runner.accept(claim, 0)
        for _ in range(2):
            assert client.post(job["links"]["cancel"]).status_code == 200
        server.runner.leases.finish(claim.lease, JobEnd("cancelled", stop_reason="cancelled"))
        after = client.post(job["links"]["cancel"]).json()
        assert (after["status"], [one["name"] for one in after["artifacts"]]) == ("cancelled", ["mesh_000.glb"])
        assert client.get(after["artifacts"][0]["url"]).content == b"glTF and more"


def test_a_deleted_job_is_gone_with_its_files(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        finish_all(server)
        url = client.get(job["links"]["self"]).json()["artifacts"][0]["url"]
        assert client.delete(job["links"]["self"]).status_code == 204
        for address in (job["links"]["self"], job["links"]["events"], url):
            problem(client.get(address), 404, "not_found")
        problem(client.delete(job["links"]["self"]), 404, "not_found")


def test_an_expired_job_is_known_and_its_artifacts_are_gone(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        finish_all(server)
        for due in server.runner.retention.due():
            server.runner.retention.forget(due)
        assert client.get(job["links"]["self"]).json()["status"] == "expired"
        problem(client.get(f"{job['links']['self']}/artifacts/mesh_000.glb"), 410, "expired")


def test_artifacts_come_whole_by_range_and_not_twice(server: Server) -> None:
    with server.client as client:
        job = submit(client).json()
        server.runner.succeed(server.runner.claim())
        url = f"{job['links']['self']}/artifacts/mesh_000.glb"
        whole = client.get(url)
        assert whole.content == b"final mesh_000.glb"
        assert whole.headers["content-type"] == "model/gltf-binary"
        assert whole.headers["content-length"] == "18"
        etag = whole.headers["etag"]
        assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
        for header, expected, place in (
            ("bytes=0-4", b"final", "bytes 0-4/18"),
            ("bytes=14-", b".glb", "bytes 14-17/18"),
            ("bytes=-4", b".glb", "bytes 14-17/18"),
            ("bytes=14-99", b".glb", "bytes 14-17/18"),
        ):
            part = client.get(url, headers={"Range": header})
            assert (part.status_code, part.content) == (206, expected)
            assert part.headers["content-range"] == place
        assert client.get(url, headers={"Range": "bytes=0-1,3-4"}).status_code == 200
        assert client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).status_code == 200
        head = client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert [head.headers[name] for name in ("etag", "content-type", "content-length")] == [
            etag,
            "model/gltf-binary",
            "18",
        ]
        beyond = client.get(url, headers={"Range": "bytes=18-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */18")
        problem(client.get(f"{job['links']['self']}/artifacts/.prompt.npz"), 404, "not_found")
        problem(client.get(f"{job['links']['self']}/artifacts/..%2f..%2fjobs.db"), 404, "not_found")


def test_jobs_are_listed_newest_first_in_pages(server: Server) -> None:
    with server.client as client:
        ids = [submit(client).json()["id"] for _ in range(3)]
        first = client.get("/v1/jobs", params={"limit": 2, "status": "queued"}).json()
        second = client.get("/v1/jobs", params={"limit": 2, "status": "queued", "cursor": first["next_cursor"]}).json()
        assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
        assert second["next_cursor"] is None
        problem(client.get("/v1/jobs", params={"cursor": "???"}), 400, "malformed")
        problem(client.get("/v1/jobs", params={"limit": 0}), 422, "invalid_request")
    finish_all(server)


def test_what_the_framework_refuses_is_a_problem_too(server: Server) -> None:
    with server.client as client:
        problem(client.get("/nothing"), 404, "not_found")
        refused = client.put("/v1/jobs")
        problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"]
        problem(client.get("/v1/jobs/" + "0" * 32), 404, "not_found")
        problem(client.get("/v1/jobs/%00"), 404, "not_found")


@pytest.mark.parametrize(
    ("kwargs", "status", "code", "field"),
    [
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type", None),
        ({"content": b"{", "headers": AS_JSON}, 400, "malformed", None),
        ({"content": b"[" * 9_000, "headers": AS_JSON}, 400, "malformed", None),
        ({"content": b"[" * 100_000, "headers": AS_JSON}, 413, "too_large", None),
        ({"content": b'{"a": NaN}', "headers": AS_JSON}, 400, "malformed", None),
        ({"content": b"9" * 9999, "headers": AS_JSON}, 400, "malformed", None),
        ({"json": []}, 422, "invalid_input", "body"),
        ({"json": {}}, 422, "invalid_prompt", "image"),
        ({"json": {"picture": "x"}}, 422, "invalid_input", "picture"),
        ({"json": {"image": "@@@"}}, 422, "invalid_input", "image"),
        ({"json": {"image": "http://example.org/a.png"}}, 422, "invalid_input", "image"),
        ({"json": {"image": "data:text/html,hi"}}, 422, "invalid_input", "image"),
        ({"json": {"image": "AAAA", "options": {"sead": 1}}}, 422, "invalid_option", "sead"),
        ({"json": {"image": "AAAA", "options": {"self": 1}}}, 422, "invalid_option", "self"),
        ({"content": LONE_SURROGATE, "headers": AS_JSON}, 422, "invalid_option", "options"),
        ({"json": {"image": "AAAA", "options": {"grid_size": 100}}}, 422, "invalid_option", "grid_size"),
        ({"json": {"image": "AAAA", "options": {"grid_size": 1024}}}, 422, "invalid_option", "grid_size"),
        ({"json": {"image": "AAAA"}}, 422, "invalid_image", "image"),
        ({"files": {"mask": ("m.png", mask_png())}}, 422, "invalid_prompt", "mask"),
        ({"files": {"image": ("a.png", b"")}}, 422, "invalid_image", "image"),
        ({"files": {"image": ("a.png", png()[:-30])}}, 422, "invalid_image", "image"),
        ({"files": {"mesh": ("a.stl", box_glb())}}, 422, "invalid_mesh", "mesh"),
        ({"files": {"mesh": ("a.obj", b"v 0 0 nan\nv 0 1 0\nv 1 0 0\nf 1 2 3\n")}}, 422, "invalid_mesh", "mesh"),
        ({"files": {"voxels": ("a.bin", b"1")}}, 422, "invalid_input", "voxels"),
        ({"files": {"image": ("a.png", png())}, "data": {"options": "[]"}}, 422, "invalid_input", "options"),
        ({"files": {"image": ("a.png", png())}, "data": {"options": "{"}}, 400, "malformed", "options"),
        ({"data": {"image": "text"}, "files": {"mesh": ("a.glb", b"")}}, 422, "invalid_input", "image"),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "malformed", None),
        ({"content": b"--y\r\n\r\n", "headers": AS_FORM}, 400, "malformed", None),
    ],
)
def test_a_bad_submission_says_what_is_wrong(
    server: Server, kwargs: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    with server.client as client:
        body = problem(client.post("/v1/jobs", **kwargs), status, code)
        assert body["field"] == field
        assert client.get("/v1/jobs", params={"status": "queued"}).json()["jobs"] == []


def test_request_ids_are_kept_where_they_are_well_formed(server: Server) -> None:
    with server.client as client:
        answer = submit(client, **{"X-Request-ID": "abc-1"})
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == "abc-1"
        assert client.get("/health/live", headers={"X-Request-ID": "a" * 300}).headers["x-request-id"] != "a" * 300
    finish_all(server)


def test_health_tells_alive_from_ready(server: Server) -> None:
    with server.client as client:
        assert client.get("/v2/health/live").json() == {"status": "ok"}
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "presets": ["nano"]})
        server.ready = False
        answer = client.get("/v2/health/ready")
        server.ready = True
        problem(answer, 503, "not_ready")
        assert answer.headers["retry-after"]


def test_models_and_limits_are_published(server: Server) -> None:
    with server.client as client:
        first, *_ = client.get("/v1/models").json()["models"]
        assert (first["name"], first["loaded"], first["precision"]) == ("nano", True, "fp32")
        assert client.get("/v1/limits").json() == server.service.desk.limits.model_dump(mode="json")


def test_metrics_agree_with_what_happened(server: Server) -> None:
    with server.client as client:
        submit(client)
        before = client.get("/metrics").text
        finish_all(server)
        after = client.get("/metrics").text
    assert _value(after, 'apg_jobs_finished_total{outcome="succeeded"}') == (
        _value(before, 'apg_jobs_finished_total{outcome="succeeded"}') + 1
    )
    assert _value(before, 'apg_jobs{status="queued"}') == 1
    assert _value(after, 'apg_jobs{status="queued"}') == 0
    assert _value(after, 'apg_job_parts_bucket{le="+Inf"}') == _value(after, "apg_job_parts_count")


def _value(text: str, name: str) -> float:
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)
