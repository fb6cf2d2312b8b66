"""What callers may do with jobs is the same over HTTP and over a handle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ray import serve

from apg_core.errors import ApgError
from apg_core.protocol.job import Artifact, Job, ProblemError
from apg_core.protocol.mask import MaskOptions, MaskSuggestion
from apg_core.sandbox.decoder import Decoder
from clients import AsyncAutoPartGenClient
from clients.async_jobs import AsyncJobs
from clients.handle import HandleClient
from deployments.errors import ExpiredError, JobNotFoundError
from deployments.replicas.handle_desk import HandleDesk
from deployments.stores.jobs.feed import EventFeed
from tests.support.http_server import Server
from tests.support.inputs import png, two_blocks_png

Call = Callable[[AsyncJobs, Job], Awaitable[object]]


SERVERS: dict[str, Server] = {}


class OneMoreDesk(HandleDesk):
    """A second desk over the stores of a server: what waits in an event loop belongs to that loop."""

    def __init__(self, url: str) -> None:
        desk = SERVERS[url].service.desk
        self.decoder = Decoder(processes=1, memory_bytes=2 * 2**30)
        super().__init__(replace(desk, feed=EventFeed(desk.jobs, poll_seconds=0.02), decoder=self.decoder))

    async def open(self) -> None:
        await self.decoder.__aenter__()

    async def close(self) -> None:
        await self.decoder.__aexit__(None, None, None)


@asynccontextmanager
async def both_ways(server: Server) -> AsyncIterator[dict[str, AsyncJobs]]:
    """A client over HTTP and one over a handle, of the same stores."""
    SERVERS[server.url] = server
    handle = serve.run(serve.deployment(OneMoreDesk).bind(server.url), _local_testing_mode=True)
    async with AsyncAutoPartGenClient(server.url) as over_http:
        await handle.open.remote()
        yield {"http": over_http, "handle": HandleClient(handle)}
        await handle.close.remote()


def artifact(name: str) -> Artifact:
    return Artifact(
        name=name, media_type="model/gltf-binary", bytes=1, sha256="", url=f"/v1/jobs/{{}}/artifacts/{name}"
    )


def refusals(server: Server, job: Job, call: Call) -> dict[str, str]:
    """The codes that a call is refused with, by way."""

    async def main() -> dict[str, str]:
        codes = {}
        async with both_ways(server) as clients:
            for way, client in clients.items():
                with pytest.raises(ApgError) as refused:
                    await call(client, job)
                error = refused.value
                codes[way] = error.problem.code if isinstance(error, ProblemError) else error.code
        return codes

    return asyncio.run(main())


def submitted(server: Server) -> Job:
    with server.client as client:
        return Job.model_validate(client.post("/v1/jobs", files={"image": ("a.png", png())}).json())


def fetch(name: str) -> Call:
    async def call(client: AsyncJobs, job: Job) -> object:
        there = artifact(name)
        return await client.content(job.id, there.model_copy(update={"url": there.url.format(job.id)}))

    return call


def test_an_artifact_that_has_expired_is_the_same_error_both_ways(server: Server) -> None:
    job = submitted(server)
    server.runner.succeed(server.runner.claim())
    for due in server.runner.retention.due():
        server.runner.retention.forget(due)
    assert refusals(server, job, fetch("mesh_000.glb")) == {"http": "expired", "handle": "expired"}
    with pytest.raises(ExpiredError):
        server.service.desk.artifact(job.id, "mesh_000.glb", "local")


@pytest.mark.parametrize("name", ["mesh_007.glb", ".prompt.npz"])
def test_an_artifact_that_a_job_does_not_show_is_the_same_error_both_ways(server: Server, name: str) -> None:
    job = submitted(server)
    assert refusals(server, job, fetch(name)) == {"http": "not_found", "handle": "not_found"}
    server.runner.succeed(server.runner.claim())


def test_a_mask_is_suggested_the_same_both_ways(server: Server) -> None:
    async def main() -> list[tuple[MaskSuggestion, bytes]]:
        picture, options = two_blocks_png(), MaskOptions(regions=2)
        async with both_ways(server) as clients:
            return [
                (await one.suggest_mask(picture, options), await one.suggest_mask_png(picture, options))
                for one in clients.values()
            ]

    over_http, over_a_handle = asyncio.run(main())
    assert over_http == over_a_handle
    assert over_http[0].regions == 2


async def _follow(client: AsyncJobs, job: Job) -> object:
    return [event async for event in client.events(job.id)]


@pytest.mark.parametrize("job_id", ["0" * 32, "no id at all"])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, job: client.get(job.id),
        lambda client, job: client.cancel(job.id),
        _follow,
        fetch("manifest.json"),
    ],
    ids=["get", "cancel", "events", "content"],
)
def test_a_job_that_is_not_there_is_the_same_error_both_ways(server: Server, job_id: str, call: Call) -> None:
    nobody = submitted(server).model_copy(update={"id": job_id})
    assert refusals(server, nobody, call) == {"http": "not_found", "handle": "not_found"}
    with pytest.raises(JobNotFoundError):
        server.service.desk.get(job_id, "local")
    server.runner.succeed(server.runner.claim())


def test_a_job_handed_in_over_a_handle_is_followed_and_fetched_as_over_http(server: Server, tmp_path: Path) -> None:
    (tmp_path / "chair.png").write_bytes(png())

    async def main() -> list[list[object]]:
        async with both_ways(server) as clients:
            job = await clients["handle"].submit(image=tmp_path / "chair.png", idempotency_key="once")
            again = await clients["handle"].submit(image=tmp_path / "chair.png", idempotency_key="once")
            assert again.id == job.id
            await asyncio.to_thread(lambda: server.runner.succeed(server.runner.claim()))
            seen = []
            for client in clients.values():
                now = await client.get(job.id)
                events = [event async for event in client.events(job.id)]
                listed = (await client.jobs(limit=1)).jobs
                contents = [await client.content(job.id, one) for one in now.artifacts]
                seen.append([now, events, listed, contents])
            for client in clients.values():  # the second finds it gone, and that is what it wanted
                await client.delete(job.id)
            return seen

    over_http, over_handle = asyncio.run(main())
    assert over_http == over_handle
    assert over_http[3] == [b"final all.zip", b"final mesh_000.glb", b"final preview.png"]
