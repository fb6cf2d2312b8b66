"""The deployment that speaks HTTP; the routes are in `deployments.http`."""

import asyncio
import ipaddress
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI
from pydantic import JsonValue
from ray import serve
from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException

from apg_core.presets import load_preset
from apg_core.protocol.job import Event, Job, JobPage, JobStatus
from deployments.decoding.decoder import Decoder
from deployments.errors import JobNotFoundError, NotReadyError, OpenServiceError
from deployments.handle_stages import Handle
from deployments.http.api import build_api
from deployments.http.auth import Keys
from deployments.http.events import EventFeed
from deployments.http.jobs import checked_id, delete_job, list_jobs
from deployments.http.service import Service
from deployments.http.submissions import accept
from deployments.http.uploads import Upload, write_files
from deployments.http.views import job_view
from deployments.logs import join_serve_logs
from deployments.settings import AccessSettings, AppArgs
from deployments.stores import Stores, open_stores

POLL_SECONDS = 0.05  # how soon a follower hears of an event
READY_SECONDS = 2.0


@serve.ingress()
class Ingress:
    """Answers HTTP requests from the stores, and the calls of `clients.handle`."""

    def __init__(self, args: AppArgs, *deployments: Handle) -> None:
        join_serve_logs()
        check_bound_address(_bound_host(), args.access)
        stores = open_stores(args.stores)
        readiness = _Readiness(stores, deployments)
        preset = load_preset(args.models.preset)
        self._service = Service(
            preset=preset,
            precision=preset.precision_on(args.models.device),
            limits=args.limits,
            database=stores.database,
            store=stores.jobs,
            artifacts=stores.artifacts,
            feed=EventFeed(stores.jobs, poll_seconds=POLL_SECONDS),
            decoder=Decoder(processes=args.decoder_processes, memory_bytes=args.limits.decode_bytes),
            keys=None if args.access.keys_file is None else Keys.from_file(args.access.keys_file),
            echo_request_ids=False,
            check_ready=readiness.check,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Serve runs in this replica."""
        return build_api(self._service)

    async def submit_job(
        self, files: dict[str, tuple[str, bytes]], options: dict[str, JsonValue], owner: str, key: str
    ) -> Job:
        """Queue a job for these files, each as (name, content); `key` makes a repetition the same job."""
        service = self._service
        with tempfile.TemporaryDirectory(prefix="apg-upload-") as name:
            folder = Path(name)
            upload = Upload(await asyncio.to_thread(write_files, files, folder, service.limits), options)
            submission = await accept(
                service, upload, owner=owner, folder=folder, idempotency_key=key, request_id=uuid4().hex
            )
        return job_view(submission.job)

    def get_job(self, job_id: str, owner: str) -> Job:
        """The job as it is now."""
        return job_view(self._service.store.get(checked_id(job_id), owner))

    def list_jobs(self, owner: str, status: JobStatus | None, limit: int, cursor: str | None) -> JobPage:
        """Jobs, newest first."""
        return list_jobs(self._service, owner, status, limit, cursor)

    def cancel_job(self, job_id: str, owner: str) -> Job:
        """Stop a job."""
        return job_view(self._service.store.cancel(checked_id(job_id), owner))

    def delete_job(self, job_id: str, owner: str) -> None:
        """Remove a job and its artifacts."""
        delete_job(job_id, self._service, owner)

    async def follow_job(self, job_id: str, owner: str, after: int) -> AsyncIterator[Event]:
        """Events of a job beyond number `after`, until it has ended."""
        await asyncio.to_thread(self.get_job, job_id, owner)
        async for event in self._service.feed.follow(job_id, owner, after=after):
            yield event

    def artifact(self, job_id: str, name: str, owner: str) -> bytes:
        """The content of one of a job's files."""
        found = self._service.store.get(checked_id(job_id), owner).artifact(name)
        if found is None or found.is_hidden:
            raise JobNotFoundError("this job has no such artifact; the job lists what it has")
        return self._service.artifacts.get(found)


def check_bound_address(host: str, access: AccessSettings) -> None:
    """Refuse to be reachable from other machines without keys.

    Raises:
        OpenServiceError: it would be.
    """
    if access.keys_file is not None or access.allow_open or _is_loopback(host):
        return
    raise OpenServiceError(
        f"the service would listen on {host} for everyone; give `access.keys_file`, listen on 127.0.0.1, "
        "or say `access.allow_open: true`"
    )


class _Readiness:
    """Asks every deployment once whether it is there; each has run its network when it can answer."""

    def __init__(self, stores: Stores, deployments: tuple[Handle, ...]) -> None:
        self._stores = stores
        self._waiting = list(deployments)

    async def check(self) -> None:
        await asyncio.to_thread(self._stores.ping)
        for handle in list(self._waiting):
            try:
                await asyncio.wait_for(handle.ready.remote(), READY_SECONDS)
            except (TimeoutError, RayError, RayServeException) as error:
                name = handle.deployment_name
                raise NotReadyError(f"{name} is still starting; try again shortly") from error
            self._waiting.remove(handle)


def _bound_host() -> str:
    # No public call tells a replica what the proxy listens on.
    client = _get_global_client()
    assert client is not None
    return str(client.http_config.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
