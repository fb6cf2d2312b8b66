"""Edits: what may be done to a generation that has ended. Parts are named by their index; docs/edits.md tells more."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)

from apg_core.errors import EditError
from apg_core.protocol.options import GenerationOptions

MOST_CANDIDATES = 8
LONGEST_NAME = 100

Index = Annotated[int, Field(ge=0, le=9999)]


def _each_once(indices: tuple[int, ...]) -> tuple[int, ...]:
    if (twice := next((index for index in indices if indices.count(index) > 1), None)) is not None:
        raise ValueError(f"{twice} is given twice")
    return indices


def _as_values(options: object) -> object:
    return options.model_dump(mode="json", exclude_unset=True) if isinstance(options, GenerationOptions) else options


def _known_options(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """In the form that they have once they are checked; raises `OptionError`."""
    checked: dict[str, JsonValue] = GenerationOptions.model_validate(options).model_dump(
        mode="json", exclude_unset=True
    )
    return checked


Indices = Annotated[tuple[Index, ...], Field(min_length=1), AfterValidator(_each_once)]
ChangedOptions = Annotated[dict[str, JsonValue], BeforeValidator(_as_values), AfterValidator(_known_options)]
Name = Annotated[str, Field(max_length=LONGEST_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**self._with_options(values))
        except ValidationError as error:
            raise _edit_error(error) from None

    @classmethod
    def _with_options(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The fields, for `Resample(parts=(2,), seed=8)` is `Resample(parts=(2,), options={"seed": 8})`."""
        named = {name for name in values if name in GenerationOptions.model_fields and name not in cls.model_fields}
        if not named or "options" not in cls.model_fields:
            return values
        options: dict[str, Any] = dict(_as_values(values.get("options") or {}))  # type: ignore[call-overload]
        options |= {name: values[name] for name in named}
        return {name: value for name, value in values.items() if name not in named} | {"options": options}


class Continue(_Edit):
    """Go on: further parts, or with a mask the regions that have none."""

    operation: Literal["continue"] = "continue"
    options: ChangedOptions = {}
    """Generation options that are to be others than the parent's."""


class Resample(_Edit):
    """Make parts again, each in its place, beside all the others."""

    operation: Literal["resample"] = "resample"
    parts: Indices
    """Indices of the parts to make again."""
    options: ChangedOptions = {}
    """Generation options that are to be others than the parent's."""
    candidates: Annotated[int, Field(ge=1, le=MOST_CANDIDATES)] = 1
    """How many to make, of one part, for one to be picked; the first takes the place."""


class Pick(_Edit):
    """Put a candidate in the place of its part."""

    operation: Literal["pick"] = "pick"
    candidate: Index
    """Number of the candidate, from 0."""


class Merge(_Edit):
    """One part of several, in the place of the first."""

    operation: Literal["merge"] = "merge"
    parts: Annotated[tuple[Index, ...], Field(min_length=2), AfterValidator(_each_once)]
    """Indices of the parts to merge."""


class Split(_Edit):
    """Make one part's own mesh the object of a generation, whose parts take its place."""

    operation: Literal["split"] = "split"
    part: Index
    """Index of the part to split."""
    options: ChangedOptions = {}
    """Generation options that are to be others than the parent's."""


class Remove(_Edit):
    """Without some parts."""

    operation: Literal["remove"] = "remove"
    parts: Indices
    """Indices of the parts to remove."""


class Rename(_Edit):
    """Give parts names."""

    operation: Literal["rename"] = "rename"
    names: Annotated[dict[Index, Name], Field(min_length=1)]
    """Index of a part to its name; an empty name takes it away."""


class Reorder(_Edit):
    """The parts in another order."""

    operation: Literal["reorder"] = "reorder"
    order: Indices
    """Indices of all parts, as they are to come."""


Edit = Annotated[
    Continue | Resample | Pick | Merge | Split | Remove | Rename | Reorder, Field(discriminator="operation")
]
EDITS: TypeAdapter[Edit] = TypeAdapter(Edit)
"""Checks a value that may be any edit, and describes them all."""


def read_edit(values: Mapping[str, JsonValue]) -> Edit:
    """The edit of these values, as they come from JSON.

    Raises:
        EditError: no such operation, or a field that is not as it should be.
        OptionError: one of its options is not.
    """
    for name in values:
        if name in GenerationOptions.model_fields:
            raise EditError(f"{name} is no field of this edit; an option goes into `options`", field=name)
    try:
        return EDITS.validate_python(dict(values))
    except ValidationError as error:
        raise _edit_error(error) from None


def edit_values(edit: Edit) -> dict[str, JsonValue]:
    """The edit as JSON has it: what `read_edit` reads."""
    values: dict[str, JsonValue] = edit.model_dump(mode="json")
    return values


def _edit_error(error: ValidationError) -> EditError:
    first = error.errors(include_url=False)[0]
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        known = "continue, resample, pick, merge, split, remove, rename or reorder"
        return EditError(f"operation must be one of {known}", field="operation")
    place = [str(step) for step in first["loc"] if isinstance(step, str)]
    field = place[0] if place else "operation"
    if first["type"] == "extra_forbidden":
        return EditError(f"{field} is no field of this edit; docs/edits.md lists them", field=field)
    reason = first["msg"].removeprefix("Value error, ")
    return EditError(f"{field}: {reason[0].lower()}{reason[1:]}, got {_short(first['input'])}", field=field)


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 80 else f"{text[:77]}..."
