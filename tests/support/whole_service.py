"""The whole service in one process, without Ray: real HTTP, stores and decoder, and a worker over networks in a thread.

`python -m tests.support.whole_service FOLDER PORT [--preset nano] [--keys FILE]` runs until it is interrupted or
killed; started again on the same folder it goes on.
"""

import argparse
import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from apg_core.pipeline.local import Pipeline, load_pipeline
from apg_core.presets import load_preset
from apg_core.sandbox.decoder import Decoder
from deployments.desk import Desk
from deployments.http.api import build_api
from deployments.http.auth import Keys
from deployments.http.service import Service
from deployments.limits import ServiceLimits
from deployments.running.runner import JobRunner
from deployments.running.worker import JobWorker
from deployments.settings import StoreSettings
from deployments.stores.jobs.feed import EventFeed
from deployments.stores.jobs.records import Share
from deployments.stores.opening import Stores, open_stores
from tests.support.http_server import lack_here
from tests.support.job_stages import Gate, LocalJobStages

LEASE_SECONDS = 3.0
POLL_SECONDS = 0.05


def main() -> None:
    """Serve on the loopback."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--preset", default="nano")
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--more", action="append", default=[], metavar="PRESET", help="one whose jobs only wait")
    given = parser.parse_args()
    pipeline = load_pipeline(given.preset, "cpu")
    settings = StoreSettings(folder=given.folder, lease_seconds=LEASE_SECONDS)
    threading.Thread(target=_work, args=(pipeline, settings, given.more), daemon=True).start()
    keys = None if given.keys is None else Keys.from_file(given.keys)
    service = _service(pipeline, open_stores(settings), keys, given.more)
    with suppress(KeyboardInterrupt):
        uvicorn.run(build_api(service), port=given.port, log_level="warning", timeout_graceful_shutdown=1)


def _service(pipeline: Pipeline, stores: Stores, keys: Keys | None, more: Sequence[str]) -> Service:
    limits = ServiceLimits()

    async def check_ready() -> None:
        stores.ping()

    return Service(
        desk=Desk(
            preset=pipeline.preset,
            more_presets=tuple(map(load_preset, more)),
            limits=limits,
            jobs=stores.jobs,
            artifacts=stores.artifacts,
            feed=EventFeed(stores.jobs, poll_seconds=POLL_SECONDS),
            decoder=Decoder(processes=1, memory_bytes=limits.decode_bytes),
            backend_lack=lack_here,
        ),
        database=stores.database,
        precision="fp32",
        keys=keys,
        check_ready=check_ready,
    )


def _work(pipeline: Pipeline, settings: StoreSettings, others: Sequence[str]) -> None:
    stores = open_stores(settings)
    runner = JobRunner(
        preset=pipeline.preset,
        provenance=pipeline.provenance,
        stages=lambda _: LocalJobStages(pipeline.stages, Gate()),
        leases=stores.leases,
        artifacts=stores.artifacts,
    )

    async def work() -> None:
        share = Share(preset=pipeline.preset.name, others=frozenset(others))
        worker = JobWorker(stores, runner, concurrent_jobs=1, share=share)
        worker.start()
        while True:
            await asyncio.sleep(1)
            worker.check()

    asyncio.run(work())


if __name__ == "__main__":
    main()
