"""A suggested part mask: every number of regions in one list of superpixels (docs/edits.md, "Mask suggestions")."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apg_core.errors import OptionError

MOST_REGIONS = 1024


class MaskOptions(BaseModel):
    """What a mask is suggested for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    regions: Annotated[int, Field(ge=1, le=MOST_REGIONS)] | None = None
    """How many regions the mask has; None is as many as stand out."""
    remove_background: bool = True
    """Regions are within the object only; an image with transparency of its own keeps it either way."""

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "options"
            message = f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {first['input']!r}"
            raise OptionError(message, field=name) from None


class MaskSuggestion(BaseModel):
    """Superpixels numbered so that regions 1 to R are what is left when each label above R becomes its parent."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    width: int
    """Of the labels: the image's, or smaller at the same aspect."""
    height: int
    regions: int
    """How many regions were asked for, or stand out."""
    parents: tuple[int, ...]
    """Of each label the one that it merges into, which is smaller; 0 for 0, the background, and for 1."""
    costs: tuple[float, ...]
    """How different each label is from what it merges into; never rises from one label to the next, from 2 on."""
    runs: tuple[int, ...]
    """The labels row by row: label and length, label and length, and so on."""
