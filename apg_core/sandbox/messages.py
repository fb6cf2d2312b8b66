"""What goes between a decoder and its process: one line of JSON each way."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from apg_core import errors
from apg_core.errors import InputError
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mask import MaskOptions
from apg_core.protocol.mode import InputName, Mode


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class DecodeRequest(_Message):
    """Decode these files into one prompt, and write it to `output`; a mesh's ending must fit its content."""

    files: dict[InputName, Path]
    limits: InputLimits
    seconds: Annotated[float, Field(gt=0)]
    output: Path
    clean: bool = False
    """Whether `clean_input` is asked for."""
    suggest: MaskOptions | None = None
    """Write a suggested mask of the image, as JSON, instead of the prompt."""


class Decoded(_Message):
    """What was decoded."""

    mode: Mode
    regions: int | None
    """Number of mask regions, where there is a mask."""


class Refusal(_Message):
    """Why the files cannot be used."""

    kind: str
    message: str
    field: str | None

    @classmethod
    def of(cls, error: InputError) -> "Refusal":
        """This error as a message."""
        return cls(kind=type(error).__name__, message=error.message, field=error.field)

    def error(self) -> InputError:
        """The error that this message tells of."""
        kind = getattr(errors, self.kind, InputError)
        safe = kind if isinstance(kind, type) and issubclass(kind, InputError) else InputError
        return safe(self.message, field=self.field)


class DecodeAnswer(_Message):
    """One of the two."""

    decoded: Decoded | None = None
    refusal: Refusal | None = None
