"""Files that go to a service and come back from it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from apg_core.protocol.beside import Folder, packed
from apg_core.protocol.job import Artifact, Job, JobStatus

PREVIEW, PREVIEW_SECONDS, LOOK_SECONDS = "preview.png", 20, 0.25

FileSource: TypeAlias = Path | str | bytes
"""A file's path, or its content."""


def read_source(name: str, source: FileSource) -> tuple[str, bytes]:
    """File name and content; a content that came without a name has this one.

    A glTF or OBJ goes in a zip with the files beside it that it names, in its folder or below.

    Raises:
        MeshError: a glTF's buffer is not there.
    """
    if isinstance(source, bytes):
        return name, source
    path = Path(source)
    content = path.read_bytes()
    together = packed(content, path.suffix, Folder(path.parent))
    return (path.name, content) if together is None else (f"{path.stem}.zip", together)


def write_artifact(artifact: Artifact, content: bytes, folder: Path | str) -> Path:
    """Write an artifact into a folder, under a temporary name until it is complete."""
    target = Path(folder) / Path(artifact.name).name
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_bytes(content)
        return temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def is_being_drawn(job: Job) -> bool:
    """Whether the job's preview is still to come: a job has ended before its picture is drawn."""
    if job.finished_at is None or job.status is not JobStatus.SUCCEEDED or not job.parts_done:
        return False
    late = datetime.now(UTC) - job.finished_at > timedelta(seconds=PREVIEW_SECONDS)
    return not late and job.options.get("preview") is True and all(one.name != PREVIEW for one in job.artifacts)


def wanted(job: Job, names: list[str] | None) -> list[Artifact]:
    """The job's artifacts of these names; all of them where none are given."""
    return [artifact for artifact in job.artifacts if names is None or artifact.name in names]
