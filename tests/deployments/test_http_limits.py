"""Small limits and keys: what is too large, too much, or not allowed is refused in the agreed words."""

import struct
import zlib
from typing import Any

import httpx
import pytest

from tests.support.http_server import Server
from tests.support.inputs import png

SERVER: dict[str, Any] = {
    "keys": {"ann": "ann-key", "bob": "bob-key", "eve": "eve-key"},
    "limits": {
        "upload_bytes": 20_000,
        "json_bytes": 10_000,
        "image_pixels": 10_000,
        "mesh_faces": 1000,
        "queue_length": 3,
        "jobs_per_key": 2,
        "retry_after_seconds": 9,
        "decode_seconds": 5,
    },
}


def as_user(server: Server, owner: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {owner}-key"}, timeout=20)


def submit(client: httpx.Client, content: bytes | None = None) -> httpx.Response:
    return client.post("/v1/jobs", files={"image": ("a.png", png() if content is None else content)})


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "ann"}, {"X-API-Key": "é".encode()}]
)
def test_without_a_known_key_nothing_is_to_be_had(server: Server, headers: dict[str, str]) -> None:
    with server.client as client:
        for path in ("/v1/jobs", "/v1/models", "/v1/limits", "/metrics", "/v1/jobs/" + "0" * 32):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.post("/v1/jobs", files={"image": ("a.png", png())}, headers=headers).status_code == 401
        assert client.get("/health/live", headers=headers).status_code == 200


def test_both_ways_to_send_a_key_work(server: Server) -> None:
    with server.client as client:
        for headers in ({"Authorization": "bearer ann-key"}, {"X-API-Key": "ann-key"}):
            assert client.get("/v1/limits", headers=headers).status_code == 200


def test_jobs_of_one_key_are_invisible_to_another_and_shares_hold(server: Server) -> None:
    with as_user(server, "ann") as ann, as_user(server, "bob") as bob, as_user(server, "eve") as eve:
        job = submit(ann).json()
        for answer in (
            bob.get(job["links"]["self"]),
            bob.get(job["links"]["events"]),
            bob.post(job["links"]["cancel"]),
            bob.delete(job["links"]["self"]),
        ):
            assert answer.status_code == 404
        assert bob.get("/v1/jobs").json()["jobs"] == []
        assert submit(ann).status_code == 202
        share = submit(ann)
        assert (share.status_code, share.json()["code"], share.headers["retry-after"]) == (429, "too_many_jobs", "9")
        assert share.json()["retryable"] is True
        assert submit(bob).status_code == 202
        full = submit(eve)
        assert (full.status_code, full.json()["code"], full.headers["retry-after"]) == (503, "queue_full", "9")
        for client in (ann, bob):
            for one in client.get("/v1/jobs").json()["jobs"]:
                assert client.delete(one["links"]["self"]).status_code == 204


def test_larger_than_a_limit_is_413(server: Server) -> None:
    with as_user(server, "ann") as client:
        for answer in (
            submit(client, bytes(20_001)),
            submit(client, bytes(10_000_000)),
            client.post("/v1/jobs", json={"image": "A" * 10_000}),
            submit(client, png(101, 100)),
        ):
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), answer.text


def test_a_picture_bomb_is_refused_by_its_header(server: Server) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")
    with as_user(server, "ann") as client:
        answer = submit(client, bomb)
        assert answer.status_code == 413
        assert "pixels" in answer.json()["detail"]
        assert submit(client).status_code == 202  # and the service goes on
