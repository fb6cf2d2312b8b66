"""The HTTP interface on a real socket, over real stores, with a runner that the test plays itself."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from apg_core.geometry.isosurface import lack_of
from apg_core.presets import load_preset
from apg_core.protocol.stage import Stage
from apg_core.sandbox.decoder import Decoder
from deployments.desk import Desk
from deployments.errors import NotReadyError
from deployments.http.api import build_api
from deployments.http.auth import Keys, hash_of
from deployments.http.service import Service
from deployments.limits import ServiceLimits
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs import schema
from deployments.stores.jobs.database import Database
from deployments.stores.jobs.feed import EventFeed
from deployments.stores.jobs.leases import JobEnd, JobLeases
from deployments.stores.jobs.records import Claim, PartRecord
from deployments.stores.jobs.retention import Retention
from deployments.stores.jobs.store import JobStore


async def lack_here(backend: str) -> str | None:
    """What this process lacks for an iso-surface backend."""
    return lack_of(backend)


LEASE_SECONDS = 60.0
MAX_RUNS = 3
HEARTBEAT_SECONDS = 0.05


class Runner:
    """Does to jobs what the orchestrator does, a step at a time."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self.leases = JobLeases(database, lease_seconds=LEASE_SECONDS, max_runs=MAX_RUNS)
        self.retention = Retention(database, retention_seconds=0, max_runs=MAX_RUNS)
        self._artifacts = artifacts

    def claim(self) -> Claim:
        """Take up the oldest job; there must be one."""
        claim = self.leases.claim("test")
        assert claim is not None
        return claim

    def accept(self, claim: Claim, index: int, content: bytes = b"glTF and more") -> None:
        """Accept a part with this file."""
        self.leases.report(claim.lease, stage=Stage.PART, progress=0.1 * index)
        mesh = self._artifacts.put(claim.job.id, claim.lease.run, f"mesh_{index:03d}.glb", content)
        part = PartRecord(index=index, facts={})
        self.leases.accept_part(claim.lease, part, mesh=mesh, hidden=[], progress=0.1 * (index + 1))

    def succeed(self, claim: Claim, *, parts: int = 1) -> None:
        """End the job well, with this many parts."""
        for index in range(parts):
            self.accept(claim, index)
        files = [f"mesh_{index:03d}.glb" for index in range(parts)] + ["preview.png", "all.zip"]
        stored = [self._artifacts.put(claim.job.id, claim.lease.run, name, b"final " + name.encode()) for name in files]
        self.leases.finish(claim.lease, JobEnd("succeeded", stop_reason="end_of_sequence", artifacts=stored))


@dataclass
class Server:
    """A running HTTP interface."""

    url: str
    service: Service
    runner: Runner
    ready: bool = True

    @property
    def client(self) -> httpx.Client:
        """A new client for it."""
        return httpx.Client(base_url=self.url, timeout=20)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The HTTP interface, with what the module's `SERVER` says: `keys` (owner -> key), `limits`."""
    wanted = getattr(request.module, "SERVER", {})
    yield from run_server(tmp_path_factory.mktemp("service"), **wanted)


def run_server(
    folder: Path,
    *,
    keys: dict[str, str] | None = None,
    limits: dict[str, float] | None = None,
    root: str = "",
    more_presets: Sequence[str] = (),
) -> Iterator[Server]:
    """A server until the generator is closed, under the path `root` as Serve does it for a route prefix."""
    database = Database(f"sqlite:///{folder / 'jobs.db'}")
    schema.prepare(database)
    artifacts = ArtifactStore(str(folder / "artifacts"))
    store = JobStore(database)
    desk = Desk(
        preset=load_preset("nano"),
        more_presets=tuple(map(load_preset, more_presets)),
        limits=ServiceLimits(**(limits or {})),  # type: ignore[arg-type]
        jobs=store,
        artifacts=artifacts,
        feed=EventFeed(store, poll_seconds=0.02),
        decoder=Decoder(processes=2, memory_bytes=2 * 2**30),
        backend_lack=lack_here,
    )
    running: list[Server] = []

    async def check_ready() -> None:
        if not running[0].ready:
            raise NotReadyError("models are loading; try again shortly")

    service = Service(
        desk=desk,
        database=database,
        precision="fp32",
        keys=None if keys is None else Keys({owner: hash_of(key) for owner, key in keys.items()}),
        check_ready=check_ready,
    )
    api = build_api(service)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        await api(scope if scope["type"] == "lifespan" else {**scope, "root_path": root}, receive, send)

    config = uvicorn.Config(served, port=0, log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    web = uvicorn.Server(config)
    started = threading.Event()

    async def main() -> None:
        serving = asyncio.create_task(web.serve())
        while not web.started:
            await asyncio.sleep(0.01)
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(60)
    port = web.servers[0].sockets[0].getsockname()[1]
    running.append(Server(f"http://127.0.0.1:{port}{root}", service, Runner(database, artifacts)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastapi.routing._PING_INTERVAL", HEARTBEAT_SECONDS)  # it has no public way
        yield running[0]
    web.should_exit = True
    thread.join(20)
    database.close()
