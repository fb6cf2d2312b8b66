"""The formats that parts are written in, by name: what the option `formats` takes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Axis = Literal["y", "z"]


@dataclass(frozen=True)
class MeshFormat:
    """One format."""

    up: Axis
    """Which axis points up in it, where nobody says otherwise."""
    module: str
    """Where its writer is; imported when it is first asked for."""
    extra: str | None = None
    """The extra of this project that it needs, whose package is `package`."""
    package: str | None = None


MESH_FORMATS: Mapping[str, MeshFormat] = {
    "glb": MeshFormat("y", "apg_core.geometry.files.glb"),
    "obj": MeshFormat("y", "apg_core.geometry.files.wavefront"),
    "stl": MeshFormat("z", "apg_core.geometry.files.stl"),
    "ply": MeshFormat("y", "apg_core.geometry.files.ply"),
    "3mf": MeshFormat("z", "apg_core.geometry.files.three_mf"),
    "usdz": MeshFormat("y", "apg_core.geometry.files.usd", extra="usd", package="pxr"),
}
"""In the order in which they are written; GLB always is."""


def format_list(names: object) -> object:
    """A list of formats, or one string with commas, as one string in the table's order; anything else as it is.

    Raises:
        ValueError: one of them is not in the table.
    """
    if isinstance(names, str):
        names = names.split(",")
    if not isinstance(names, Iterable):
        return names
    asked = [str(name).strip().lower().lstrip(".") for name in names]
    if unknown := [name for name in asked if name and name not in MESH_FORMATS]:
        raise ValueError(f"unknown format {unknown[0]!r}; the formats are {', '.join(MESH_FORMATS)}")
    return ",".join(name for name in MESH_FORMATS if name == "glb" or name in asked)
