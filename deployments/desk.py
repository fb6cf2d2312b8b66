"""What callers may do with jobs: submit, look, list, cancel, delete, follow, fetch.

The HTTP routes and the handle's calls are this in two forms; nothing here knows either.
"""

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePath
from uuid import uuid4

from pydantic import JsonValue

from apg_core.errors import ApgError, InputError, OptionError
from apg_core.geometry.files import lack_of
from apg_core.pipeline.earlier import Earlier
from apg_core.pipeline.edit import plan_edit
from apg_core.presets import Preset
from apg_core.protocol.edit import Edit, edit_values, read_edit
from apg_core.protocol.job import Event, Job, JobPage, JobStatus
from apg_core.protocol.limits import check_limit
from apg_core.protocol.mask import MaskOptions
from apg_core.protocol.mode import InputEntry
from apg_core.protocol.options import GenerationOptions
from apg_core.sandbox.decoder import Decoder
from apg_core.sandbox.messages import Decoded, DecodeRequest
from deployments.errors import ExpiredError, JobNotEndedError, JobNotFoundError, StoreError
from deployments.limits import ServiceLimits
from deployments.running.checkpoint import EARLIER, PROMPT
from deployments.running.parents import earlier_of, half_done, record_in
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs.feed import EventFeed
from deployments.stores.jobs.records import IdempotencyKey, JobRecord, NewJob, StoredArtifact
from deployments.stores.jobs.store import JobStore
from deployments.stores.jobs.views import job_view, number_of, page_view
from deployments.uploads import Upload

log = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Receipt:
    """What a submission came to: its job, and whether an earlier one with the same key had made it."""

    job: Job
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where jobs are handed in, asked for and picked up; a job of another owner is not there at all.

    Methods that are not coroutines wait for the stores: call them from a thread.
    """

    preset: Preset
    """What jobs are generated with that name none."""
    limits: ServiceLimits
    jobs: JobStore
    artifacts: ArtifactStore
    feed: EventFeed
    decoder: Decoder
    backend_lack: Callable[[str], Awaitable[str | None]]
    """What keeps an iso-surface backend from running where surfaces are extracted; None where it can run."""
    more_presets: tuple[Preset, ...] = ()
    """Further ones that jobs may name."""

    @property
    def presets(self) -> tuple[Preset, ...]:
        """All that jobs may name."""
        return (self.preset, *self.more_presets)

    async def submit(self, upload: Upload, *, owner: str, key: str | None, request_id: str) -> Receipt:
        """Decode what was uploaded, and queue a job for it; a `key` that was used before gives its job again.

        Raises:
            InputError: it cannot be used.
            IdempotencyError: the key came before with another upload.
            UnavailableError, TooManyJobsError: not now.
        """
        preset = self._preset_named(upload.preset)
        options = preset.complete(GenerationOptions.model_validate(upload.options))
        self.limits.check_options(options)
        await self._check_installed(options)
        idempotency = None if key is None else IdempotencyKey(key=key, body_sha256=upload.sha256)
        if idempotency is not None:
            earlier = await asyncio.to_thread(self.jobs.replay, owner, idempotency)
            if earlier is not None:
                return Receipt(job_view(earlier), replayed=True)
        await asyncio.to_thread(self.jobs.check_room, owner, self.limits.queue)
        decoded, prompt = await self._decode(upload, owner, clean=options.clean_input)
        job_id = uuid4().hex
        new = NewJob(
            id=job_id,
            owner=owner,
            mode=decoded.mode,
            preset=preset.name,
            seed=options.seed,
            options=options.model_dump(mode="json"),
            inputs={field: InputEntry(name=file.name, sha256=file.sha256) for field, file in upload.files.items()},
            artifacts=(await asyncio.to_thread(self.artifacts.put, job_id, 0, PROMPT, prompt),),
            parts_total=decoded.regions,
            request_id=request_id,
        )
        return await self._queue(new, idempotency)

    async def edit(
        self, job_id: str, asked: Mapping[str, JsonValue], *, owner: str, key: str | None, request_id: str
    ) -> Receipt:
        """Queue a job that changes what another has made, which stays; a `key` used before gives its job again.

        Raises:
            JobNotFoundError, ExpiredError: the job is not there, or its files are not.
            JobNotEndedError: it is not to be edited yet.
            EditError, OptionError: the edit is none, or does not fit it.
            IdempotencyError: the key came before with another edit.
            UnavailableError, TooManyJobsError: not now.
        """
        edit = read_edit(asked)
        idempotency = None if key is None else IdempotencyKey(key=key, body_sha256=_hash_of(job_id, edit))
        parent = await asyncio.to_thread(self._record, job_id, owner)
        if idempotency is not None:
            earlier = await asyncio.to_thread(self.jobs.replay, owner, idempotency)
            if earlier is not None:
                return Receipt(job_view(earlier), replayed=True)
        await self._check_installed(GenerationOptions.model_validate(getattr(edit, "options", {})))
        new = await asyncio.to_thread(self._edit_job, parent, edit, request_id)
        return await self._queue(new, idempotency)

    async def suggest_mask(self, upload: Upload, owner: str) -> bytes:
        """A `MaskSuggestion` for an uploaded image, as JSON; nothing is kept.

        Raises:
            InputError: it cannot be used.
        """
        for field in ("mesh", "mask"):
            if field in upload.files:
                raise InputError(f"{field}: a mask is suggested for an image alone", field=field)
        if "image" not in upload.files:
            raise InputError("image: give the picture that the mask is for", field="image")
        if upload.preset is not None:
            raise InputError(
                "preset: a mask is suggested without networks, the same for each; leave it out", field="preset"
            )
        options = MaskOptions.model_validate(upload.options)
        if options.regions is not None:
            check_limit("mask regions", options.regions, self.limits.mask_regions, field="regions")
        return (await self._decode(upload, owner, clean=False, suggest=options))[1]

    def get(self, job_id: str, owner: str) -> Job:
        """The job as it is now.

        Raises:
            JobNotFoundError: there is none of this id that belongs to the owner.
        """
        return job_view(self._record(job_id, owner))

    def page(
        self, owner: str, *, status: JobStatus | None = None, limit: int = 20, cursor: str | None = None
    ) -> JobPage:
        """The owner's jobs, newest first; `cursor` is the `next_cursor` of the page before.

        Raises:
            MalformedRequestError: not such a cursor.
        """
        before = None if cursor is None else number_of(cursor)
        return page_view(self.jobs.page(owner, limit=limit, before=before, status=status))

    def cancel(self, job_id: str, owner: str) -> Job:
        """Stop a job, within one denoising step where it runs; parts that it has accepted stay."""
        return job_view(self.jobs.cancel(_checked(job_id), owner))

    def delete(self, job_id: str, owner: str) -> None:
        """Cancel a job, and remove it with all its artifacts that no edit of it has; those of a running one go when its
        runner lets go."""
        if self.jobs.hide(_checked(job_id), owner):
            for folder, keep in self.jobs.folders_left_by(job_id).items():
                self.artifacts.remove_job(folder, keep=keep)
            self.jobs.remove(job_id)

    async def follow(self, job_id: str, owner: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Events of a job beyond number `after` as they come, until it has ended.

        Raises:
            JobNotFoundError: before the first of them.
        """
        await asyncio.to_thread(self._record, job_id, owner)
        return self.feed.follow(job_id, owner, after=after)

    async def wait(self, job: Job, owner: str, *, seconds: float) -> Job:
        """The job once it has ended, or as it is after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in self.feed.follow(job.id, owner):
                    pass
        with suppress(ApgError):  # it is queued whatever happens now: that is the answer then
            return await asyncio.to_thread(self.get, job.id, owner)
        return job

    def artifact(self, job_id: str, name: str, owner: str) -> StoredArtifact:
        """One of a job's files; a part's is there as soon as its event is out.

        Raises:
            JobNotFoundError: there is no such job, or it has no such file.
            ExpiredError: the job's files were removed after the retention time.
        """
        job = self._record(job_id, owner)
        if job.status is JobStatus.EXPIRED:
            raise ExpiredError("the artifacts of this job were removed after the retention time")
        artifact = job.artifact(name)
        if artifact is None or artifact.is_hidden:
            raise JobNotFoundError("this job has no such artifact; the job lists what it has")
        return artifact

    def read(self, artifact: StoredArtifact, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A file's bytes in chunks, all or `length` of them from `start` on; it is open before this returns.

        Raises:
            ExpiredError: the file is gone.
            StoreError: the store cannot be reached.
        """
        return self.artifacts.read(artifact, start, artifact.bytes - start if length is None else length)

    def _edit_job(self, parent: JobRecord, edit: Edit, request_id: str) -> NewJob:
        if parent.status is JobStatus.EXPIRED:
            raise ExpiredError("the artifacts of this job were removed after the retention time")
        if not parent.status.is_terminal:
            raise JobNotEndedError(f"this job is {parent.status}; edit it when it has ended, or cancel it first")
        job_id = uuid4().hex
        preset = next((one for one in self.more_presets if one.name == parent.preset), self.preset)
        kept = earlier_of(parent, self.jobs, self.artifacts, preset=preset.name)
        if isinstance(kept, StoredArtifact):
            record, state = record_in(kept, self.artifacts), replace(kept, name=EARLIER)
        else:
            record, state = kept.record, None
        plan = plan_edit(record, edit)
        self.limits.check_options(plan.options)
        if isinstance(kept, Earlier):
            state = self.artifacts.put(job_id, 0, EARLIER, kept.pack())
        stay = {PurePath(facts.file).stem for facts in plan.kept} - {
            PurePath(name).stem for name in half_done(parent, self.jobs)
        }
        shared = [one for one in parent.artifacts if one.name == PROMPT or PurePath(one.name).stem in stay]
        return NewJob(
            id=job_id,
            owner=parent.owner,
            mode=parent.mode,
            preset=preset.name,
            seed=plan.options.seed,
            options=plan.options.model_dump(mode="json"),
            inputs=parent.inputs,
            artifacts=tuple(one for one in (state, *shared) if one is not None),
            parts_total=plan.parts_total,
            parts_done=len(plan.kept),
            request_id=request_id,
            parent=parent.id,
            edit=edit_values(edit),
        )

    def _preset_named(self, name: str | None) -> Preset:
        if name is None:
            return self.preset
        for preset in self.presets:
            if preset.name == name:
                return preset
        known = ", ".join(preset.name for preset in self.presets)
        raise OptionError(f"preset: this service runs {known}, not {name!r}", field="preset")

    def _record(self, job_id: str, owner: str) -> JobRecord:
        return self.jobs.get(_checked(job_id), owner)

    async def _check_installed(self, options: GenerationOptions) -> None:
        """Refuse what only another installation can do, before a job of it waits and fails."""
        if (lack := lack_of(options.formats)) is not None:
            raise OptionError(f"formats: this service lacks one of them: {lack}", field="formats")
        backend = options.isosurface_backend
        if (lack := await self.backend_lack(backend)) is not None:
            raise OptionError(
                f"isosurface_backend: this service lacks {backend}, which {lack}", field="isosurface_backend"
            )

    async def _decode(
        self, upload: Upload, owner: str, *, clean: bool, suggest: MaskOptions | None = None
    ) -> tuple[Decoded, bytes]:
        output = upload.folder / "prompt.npz"
        paths = {field: file.path for field, file in upload.files.items()}
        limits = self.limits
        request = DecodeRequest(files=paths, limits=limits, seconds=limits.decode_seconds, output=output, clean=clean)
        request = request.model_copy(update={"suggest": suggest})
        decoded = await self.decoder.decode(request, owner=owner)
        return decoded, await asyncio.to_thread(output.read_bytes)

    async def _queue(self, new: NewJob, idempotency: IdempotencyKey | None) -> Receipt:
        submitted = None
        try:
            submitted = await asyncio.to_thread(
                self.jobs.submit, new, limits=self.limits.queue, idempotency=idempotency
            )
        finally:
            if submitted is None or submitted.replayed:
                with suppress(StoreError):  # the error that brought us here says more
                    await asyncio.to_thread(self.artifacts.remove_job, new.id)
        if not submitted.replayed:
            log.info("job queued", extra={"job": new.id, "mode": new.mode})
        return Receipt(job_view(submitted.job), submitted.replayed)


def _hash_of(job_id: str, edit: Edit) -> str:
    """Of all that makes two edits the same: the job that is edited, and what is asked."""
    return hashlib.sha256(json.dumps([job_id, edit_values(edit)], sort_keys=True).encode()).hexdigest()


def _checked(job_id: str) -> str:
    """This id, if it can be one; any other would be a question to the stores that only a mistake asks."""
    if _ID.fullmatch(job_id) is None:
        raise JobNotFoundError("there is no such job; its id is in the answer to its submission")
    return job_id
