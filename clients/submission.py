"""What a job is submitted with: the same for every client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypedDict
from uuid import uuid4

from pydantic import JsonValue

from apg_core.protocol.edit import Edit, edit_values
from apg_core.protocol.job import Job
from apg_core.protocol.mask import MaskOptions
from apg_core.protocol.options import GenerationOptions
from clients.files import FileSource, read_source

Options: TypeAlias = GenerationOptions | Mapping[str, JsonValue]


class Inputs(TypedDict, total=False):
    """The keywords of every client's `submit` and `generate`; an image, a mesh, or both must be given."""

    image: FileSource | None
    """A picture of the object; `apg_core.protocol.mode.INPUTS` lists the formats of every input."""
    mesh: FileSource | None
    """The whole object; a glTF or OBJ takes along what is beside it."""
    mask: FileSource | None
    """A part mask of the image, numbered or coloured; 0, black and transparent are background."""
    options: Options | None
    """Generation options; where one is not given, the preset's default counts."""
    preset: str | None
    """One of the service's presets; None is its first."""
    idempotency_key: str | None
    """Your name for this submission: the same name and inputs give the same job. None makes a new job."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A submission as it is sent."""

    files: dict[str, tuple[str, bytes]]
    """File name and content of each input."""
    options: dict[str, JsonValue]
    preset: str | None
    key: str
    """Sent with every try, so that trying again makes no second job."""

    @classmethod
    def of(
        cls,
        *,
        image: FileSource | None = None,
        mesh: FileSource | None = None,
        mask: FileSource | None = None,
        options: Options | None = None,
        preset: str | None = None,
        idempotency_key: str | None = None,
    ) -> "Submission":
        """The submission of these `Inputs`, their files read."""
        given = {"image": image, "mesh": mesh, "mask": mask}
        return cls(
            files={name: read_source(name, source) for name, source in given.items() if source is not None},
            options=_plain(options),
            preset=preset,
            key=idempotency_key or uuid4().hex,
        )


@dataclass(frozen=True, kw_only=True)
class EditSubmission:
    """An edit as it is sent."""

    job_id: str
    values: dict[str, JsonValue]
    key: str
    """Sent with every try, so that trying again makes no second job."""

    @classmethod
    def of(cls, job: Job | str, change: Edit, idempotency_key: str | None) -> "EditSubmission":
        """This edit of a job, or of the job with this id."""
        job_id = job if isinstance(job, str) else job.id
        return cls(job_id=job_id, values=edit_values(change), key=idempotency_key or uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class MaskRequest:
    """A request for a mask suggestion as it is sent."""

    files: dict[str, tuple[str, bytes]]
    options: dict[str, JsonValue]

    @classmethod
    def of(cls, image: FileSource, options: MaskOptions | None) -> "MaskRequest":
        """For this image, which is read."""
        values = {} if options is None else options.model_dump(mode="json", exclude_unset=True)
        return cls(files={"image": read_source("image", image)}, options=values)


def _plain(options: Options | None) -> dict[str, JsonValue]:
    if isinstance(options, GenerationOptions):
        chosen: dict[str, JsonValue] = options.model_dump(mode="json", exclude_unset=True)
        return chosen
    return dict(options or {})
