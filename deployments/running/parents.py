"""What an edit takes up of its parent's job, from the files that the parent has left."""

from dataclasses import replace

from apg_core.errors import EditError
from apg_core.pipeline.earlier import LATENTS_FILE, LENGTH_BYTES, Earlier, Record, header_length, read_record
from apg_core.protocol.manifest import AcceptedPart, PartFacts
from apg_core.protocol.packing import unpack_latent, unpack_mesh, unpack_prompt
from deployments.errors import ExpiredError
from deployments.running.checkpoint import EARLIER, PROMPT, WHOLE, RunRow, part_state
from deployments.stores.artifacts import ArtifactStore
from deployments.stores.jobs.records import JobRecord, StoredArtifact
from deployments.stores.jobs.store import JobStore


def earlier_of(parent: JobRecord, jobs: JobStore, artifacts: ArtifactStore, *, preset: str) -> Earlier | StoredArtifact:
    """A job's generation: the file that keeps it, or of one that ended early what it had got to.

    An edit that ended early has done nothing, unless it went on: its generation is that of its parent.

    Raises:
        EditError: it was made without what edits need.
        ExpiredError: a file of it is gone.
        StoreError: a store cannot be reached.
    """
    if parent.status == "succeeded":
        if (kept := parent.artifact(LATENTS_FILE)) is None:
            raise EditError(
                "operation: this job was made without save_latents, so it cannot be edited", field="operation"
            )
        return kept
    if parent.edit is not None and parent.edit.get("operation") != "continue":
        if (kept := parent.artifact(EARLIER)) is None:
            raise ExpiredError(f"the job's {EARLIER} is gone from the artifact store")
        return kept
    return _interrupted(parent, jobs, artifacts, preset=preset)


def record_in(kept: StoredArtifact, artifacts: ArtifactStore) -> Record:
    """The record of a generation in the file that keeps it, of which only the header is read."""
    length = header_length(b"".join(artifacts.read(kept, 0, LENGTH_BYTES)))
    return read_record(b"".join(artifacts.read(kept, 0, LENGTH_BYTES + length)))


def half_done(parent: JobRecord, jobs: JobStore) -> frozenset[str]:
    """Files of parts that an edit had made before it ended early, which are none of its generation's."""
    if parent.status == "succeeded" or parent.edit is None or parent.edit.get("operation") == "continue":
        return frozenset()
    return frozenset(PartFacts.model_validate(part.facts).file for part in jobs.parts(parent.id))


def _interrupted(parent: JobRecord, jobs: JobStore, artifacts: ArtifactStore, *, preset: str) -> Earlier:
    def get(name: str) -> bytes:
        if (stored := parent.artifact(name)) is None:
            raise ExpiredError(f"the job's {name} is gone from the artifact store")
        return artifacts.get(stored)

    parts = tuple(
        AcceptedPart(PartFacts.model_validate(part.facts), unpack_mesh(get(part_state(part.index))))
        for part in jobs.parts(parent.id)
    )
    failed = RunRow.model_validate(jobs.checkpoint(parent.id)).failed_regions
    facts = tuple(part.facts for part in parts)
    if parent.artifact(EARLIER) is not None:
        before = Earlier.unpack(get(EARLIER))
        record = before.record.model_copy(
            update={
                "options": parent.options,
                "parts": (*before.record.parts, *facts),
                "failed_regions": failed,
                "stop_reason": None,
            }
        )
        whole = unpack_latent(get(WHOLE)) if before.whole is None and parent.artifact(WHOLE) else before.whole
        return replace(before, record=record, whole=whole, parts=(*before.parts, *parts))
    regions = unpack_prompt(get(PROMPT)).regions if "mask" in parent.mode else None
    record = Record(
        mode=parent.mode,
        regions=regions,
        inputs=parent.inputs,
        options=parent.options,
        preset=preset,
        random_weights=False,
        weights={},
        parts=facts,
        failed_regions=failed,
    )
    whole = unpack_latent(get(WHOLE)) if parent.artifact(WHOLE) else None
    return Earlier(record=record, whole=whole, prepared=None, parts=parts)
