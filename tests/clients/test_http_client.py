"""The HTTP client against the real HTTP interface; the test plays the runner."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apg_core.inputs import read_image
from apg_core.protocol.job import Event, ProblemError
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from apg_core.protocol.options import GenerationOptions
from apg_core.sandbox.mask_png import suggestion_png
from apg_core.sandbox.suggestion import suggest_mask
from clients import AsyncAutoPartGenClient, AutoPartGenClient, ServiceUnreachableError
from clients.errors import WaitTimeoutError
from clients.http.retries import Retries
from deployments.stores.jobs.leases import JobEnd
from tests.support.http_server import Server
from tests.support.inputs import box_glb, mask_png, png, two_blocks_png

SERVER: dict[str, Any] = {"keys": {"ann": "secret"}}


@pytest.fixture
def client(server: Server) -> Iterator[AutoPartGenClient]:
    with AutoPartGenClient(server.url, "secret") as opened:
        yield opened


@contextlib.contextmanager
def running_next_job(server: Server, parts: int = 2) -> Iterator[None]:
    def run() -> None:
        while (claim := server.runner.leases.claim("test")) is None:
            pass
        server.runner.succeed(claim, parts=parts)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def test_generate_leaves_every_artifact_in_the_folder(
    server: Server, client: AutoPartGenClient, tmp_path: Path
) -> None:
    seen: list[Event] = []
    with running_next_job(server):
        job = client.generate(image=png(), output_dir=tmp_path / "out", on_event=seen.append)
    assert [event.type for event in seen if event.type != "progress"] == ["part", "part", "succeeded"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        name: b"final " + name.encode() for name in ("mesh_000.glb", "mesh_001.glb", "preview.png", "all.zip")
    }
    assert (job.status, job.parts_done) == ("succeeded", 2)


def test_files_and_options_arrive_as_they_were_given(client: AutoPartGenClient, tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb())
    job = client.submit(
        image=png(), mask=mask_png(3), mesh=tmp_path / "box.glb", options=GenerationOptions(seed=5, max_parts=2)
    )
    assert (job.mode, job.seed, job.parts_total) == ("image_mesh_mask", 5, 3)
    assert {name: entry.name for name, entry in job.inputs.items()} == {
        "image": "image",
        "mask": "mask",
        "mesh": "box.glb",
    }
    assert (job.options["max_parts"], job.options["grid_size"]) == (2, 16)  # the preset's where none is chosen
    client.delete(job.id)
    client.delete(job.id)


def test_a_mask_is_suggested_as_every_number_of_regions_or_as_a_picture(
    server: Server, client: AutoPartGenClient
) -> None:
    picture = two_blocks_png()
    suggested = client.suggest_mask(picture, MaskOptions(regions=2))
    mask = client.suggest_mask_png(picture, MaskOptions(regions=2))
    assert (suggested, mask) == asyncio.run(_suggested_asynchronously(server, picture))
    assert suggested == suggest_mask(read_image(picture, InputLimits()), MaskOptions(regions=2))
    assert mask == suggestion_png(suggested)
    job = client.submit(image=picture, mask=mask)
    assert (job.mode, job.parts_total) == ("image_mask", 2)
    client.delete(job.id)
    with pytest.raises(ProblemError, match="regions"):
        client.suggest_mask(picture, MaskOptions(regions=500))


async def _suggested_asynchronously(server: Server, picture: bytes) -> tuple[MaskSuggestion, bytes]:
    options = MaskOptions(regions=2)
    async with AsyncAutoPartGenClient(server.url, "secret") as client:
        return await client.suggest_mask(picture, options), await client.suggest_mask_png(picture, options)


def test_a_refusal_is_the_services_problem(client: AutoPartGenClient) -> None:
    with pytest.raises(ProblemError, match="did you mean 'seed'") as refused:
        client.submit(image=png(), options={"sead": 1})
    assert (refused.value.problem.status, refused.value.problem.field) == (422, "sead")


def test_a_wrong_key_is_a_problem(server: Server) -> None:
    with AutoPartGenClient(server.url, "wrong") as client, pytest.raises(ProblemError, match="not known"):
        client.jobs()


def test_a_cancelled_job_keeps_its_parts_and_is_no_result(
    server: Server, client: AutoPartGenClient, tmp_path: Path
) -> None:
    job = client.submit(image=png())
    claim = server.runner.claim()
    server.runner.accept(claim, 0)
    client.cancel(job.id)
    server.runner.leases.finish(claim.lease, JobEnd("cancelled", stop_reason="cancelled"))
    ended = client.wait(job.id)
    assert [path.name for path in client.download(ended, tmp_path)] == ["mesh_000.glb"]
    with pytest.raises(ProblemError, match="cancelled"):
        ended.result()


def test_waiting_ends_at_its_deadline_and_the_job_goes_on(server: Server, client: AutoPartGenClient) -> None:
    job = client.submit(image=png())
    with pytest.raises(WaitTimeoutError):
        asyncio.run(_wait_briefly(server.url, job.id))
    with pytest.raises(WaitTimeoutError, match=r"within 0.2 s; it goes on"):
        client.wait(job.id, timeout=0.2)
    assert client.get(job.id).status == "queued"
    client.delete(job.id)


async def _wait_briefly(url: str, job_id: str) -> None:
    async with AsyncAutoPartGenClient(url, "secret") as client:
        await client.wait(job_id, timeout=0.2)


def test_the_async_client_does_the_same(server: Server, tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with AsyncAutoPartGenClient(server.url, "secret") as client:
            job = await client.generate(mesh=box_glb(), output_dir=tmp_path)
            assert (await client.jobs(limit=1)).jobs[0].id == job.id
            with pytest.raises(ProblemError):
                await client.get("0" * 32)
            return sorted(path.name for path in tmp_path.iterdir())

    with running_next_job(server, parts=1):
        assert asyncio.run(main()) == ["all.zip", "mesh_000.glb", "preview.png"]


def test_a_broken_event_stream_is_taken_up_where_it_broke(server: Server) -> None:
    with breaking_proxy(server.url, after_bytes=1500) as url, AutoPartGenClient(url, "secret") as client:
        with AutoPartGenClient(server.url, "secret") as direct:
            job = direct.submit(image=png())
        claim = server.runner.claim()
        server.runner.succeed(claim, parts=6)
        assert [event.id for event in client.events(job.id)] == list(range(1, 15))


def test_no_service_is_said_so() -> None:
    client = AutoPartGenClient("http://127.0.0.1:9", retries=1)
    with client, pytest.raises(ServiceUnreachableError, match="is the service running"):
        client.get("x")


def test_retries_grow_end_and_obey_the_service() -> None:
    request = httpx.Request("GET", "http://service")
    retries = Retries(3, service="http://service")
    lost = httpx.ConnectError("x")
    delays = [retries.delay_after(lost) for _ in range(3)]
    assert 0.1 < delays[0] <= 0.25 < delays[2] <= 1.0
    with pytest.raises(ServiceUnreachableError, match="no answer from http://service"):
        retries.delay_after(lost)
    asked = httpx.Response(503, headers={"Retry-After": "3"}, request=request)
    assert Retries(1, service="").delay_after(asked) == 3.0
    with pytest.raises(ServiceUnreachableError, match="answered 422 and no problem"):
        Retries(1, service="").delay_after(httpx.Response(422, request=request))


def test_a_404_of_a_proxy_is_waited_out_and_the_services_own_is_not() -> None:
    request = httpx.Request("GET", "http://service/v1/jobs")
    proxys = httpx.Response(404, text="Path '/v1/jobs' not found. Ping http://.../-/routes", request=request)
    retries = Retries(2, service="http://service")
    assert [retries.delay_after(proxys) > 0 for _ in range(2)] == [True, True]
    with pytest.raises(ServiceUnreachableError, match="answered 404 and no problem"):
        retries.delay_after(proxys)
    problem = {"title": "Not found", "status": 404, "detail": "no such job", "code": "not_found"}
    ours = httpx.Response(404, json=problem, headers={"Content-Type": "application/problem+json"}, request=request)
    with pytest.raises(ProblemError, match="no such job"):
        Retries(2, service="http://service").delay_after(ours)


def test_a_misspelled_input_is_refused_before_anything_is_sent(client: AutoPartGenClient) -> None:
    with pytest.raises(TypeError, match="imge"):
        client.submit(imge=png())  # type: ignore[call-arg]


@contextlib.contextmanager
def breaking_proxy(target: str, *, after_bytes: int) -> Iterator[str]:
    """Passes connections on, and breaks each after so many bytes of answer."""
    host, port = target.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))

    def pass_on(inside: socket.socket) -> None:
        with inside, socket.create_connection((host, int(port))) as outside:
            outside.sendall(inside.recv(65536))
            left = after_bytes
            while left > 0 and (chunk := outside.recv(left)):
                inside.sendall(chunk)
                left -= len(chunk)

    def accept() -> None:
        while True:
            try:
                inside, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=pass_on, args=(inside,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
