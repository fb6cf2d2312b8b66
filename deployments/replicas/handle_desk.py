"""The desk as calls of a Serve handle: what `clients.handle` speaks to."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

from pydantic import JsonValue

from apg_core.protocol.job import Event, Job, JobPage, JobStatus
from apg_core.protocol.mask import MaskSuggestion
from apg_core.sandbox.mask_png import suggestion_png
from deployments.desk import Desk
from deployments.uploads import Upload, UploadFolder, upload_folder


class HandleDesk:
    """A desk to be called from inside the cluster; callers say who they are, and are believed."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def submit_job(
        self,
        files: dict[str, tuple[str, bytes]],
        options: dict[str, JsonValue],
        owner: str,
        key: str,
        preset: str | None = None,
    ) -> Job:
        """Queue a job for these files, each as (name, content); `key` makes a repetition the same job."""
        with upload_folder(file_bytes=self._desk.limits.upload_bytes) as folder:
            upload = await asyncio.to_thread(_store, files, options, preset, folder)
            return (await self._desk.submit(upload, owner=owner, key=key, request_id=uuid4().hex)).job

    async def edit_job(self, job_id: str, asked: dict[str, JsonValue], owner: str, key: str) -> Job:
        """See `Desk.edit`."""
        return (await self._desk.edit(job_id, asked, owner=owner, key=key, request_id=uuid4().hex)).job

    async def suggest_mask(
        self, files: dict[str, tuple[str, bytes]], options: dict[str, JsonValue], owner: str
    ) -> MaskSuggestion:
        """See `Desk.suggest_mask`."""
        with upload_folder(file_bytes=self._desk.limits.upload_bytes) as folder:
            upload = await asyncio.to_thread(_store, files, options, None, folder)
            return MaskSuggestion.model_validate_json(await self._desk.suggest_mask(upload, owner))

    async def suggest_mask_png(
        self, files: dict[str, tuple[str, bytes]], options: dict[str, JsonValue], owner: str
    ) -> bytes:
        """The suggestion as an indexed PNG."""
        return await asyncio.to_thread(suggestion_png, await self.suggest_mask(files, options, owner))

    def get_job(self, job_id: str, owner: str) -> Job:
        """See `Desk.get`."""
        return self._desk.get(job_id, owner)

    def list_jobs(self, owner: str, status: JobStatus | None, limit: int, cursor: str | None) -> JobPage:
        """See `Desk.page`."""
        return self._desk.page(owner, status=status, limit=limit, cursor=cursor)

    def cancel_job(self, job_id: str, owner: str) -> Job:
        """See `Desk.cancel`."""
        return self._desk.cancel(job_id, owner)

    def delete_job(self, job_id: str, owner: str) -> None:
        """See `Desk.delete`."""
        self._desk.delete(job_id, owner)

    async def follow_job(self, job_id: str, owner: str, after: int) -> AsyncIterator[Event]:
        """See `Desk.follow`."""
        async for event in await self._desk.follow(job_id, owner, after=after):
            yield event

    def artifact(self, job_id: str, name: str, owner: str) -> bytes:
        """The whole content of `Desk.artifact`."""
        return b"".join(self._desk.read(self._desk.artifact(job_id, name, owner)))


def _store(
    files: dict[str, tuple[str, bytes]], options: dict[str, JsonValue], preset: str | None, folder: UploadFolder
) -> Upload:
    for field, (name, content) in files.items():
        folder.store(field, name, [content])
    return folder.upload(options, preset)
