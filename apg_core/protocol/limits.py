"""How large an input may be."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from apg_core.errors import LimitError

Count = Annotated[int, Field(ge=1)]


class InputLimits(BaseModel):
    """The largest inputs that this installation accepts, each checked before the memory for it is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    upload_bytes: Count = 64 * 2**20
    """Size of one file."""
    unpacked_bytes: Count = 256 * 2**20
    """Size of all that is read out of one zip or 3MF, or of the buffers beside one glTF."""
    image_pixels: Count = 50_000_000
    """Width times height of an image or mask; a phone's 48 megapixels pass."""
    image_side: Count = 20_000
    """Longest edge of an image or mask."""
    image_edge: Count = 4096
    """Longest edge at which an image is kept; a larger one is reduced by a whole number. Networks see 448 of them."""
    mask_regions: Count = 64
    """Distinct labels of a mask, background not counted."""
    mesh_vertices: Count = 5_000_000
    """Vertices of a mesh, each instance of a shared one counted."""
    mesh_faces: Count = 5_000_000
    """Triangles of a mesh, each instance of a shared one counted."""
    texture_pixels: Count = 2**25
    """Pixels of all textures of a mesh together; two of 4096 x 4096 pass. What is beyond is left out, and told of."""
    textures: Count = 64
    """Textures of a mesh; likewise."""
    mesh_entries: Count = 300_000
    """Values in a glTF's JSON: nodes, accessors and the like, not coordinates."""


def check_limit(what: str, value: int, limit: int, *, field: str) -> None:
    """Refuse a value above its limit, naming both.

    Raises:
        LimitError: above the limit.
    """
    if value > limit:
        raise LimitError(f"{what}: {value:,}, and the limit is {limit:,}; make it smaller", field=field)
