"""Parts as files: what each is called in them, how it looks, and what the file says of it."""

from collections.abc import Iterator, Mapping, Sequence

from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import FilePart
from apg_core.geometry.picture.colours import WHOLE_COLOUR, Colour
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.manifest import AcceptedPart, PartFacts, Provenance
from apg_core.protocol.mesh import TriangleMesh

PALETTE = "palette"
"""Name of the look in the parts' own colours."""


def draft_glb(part: AcceptedPart, colour: Colour) -> bytes:
    """A part's file while others are still to come."""
    return glb([_file_part(part, colour)])


def whole_glb(mesh: TriangleMesh) -> bytes:
    """The whole object, in grey."""
    return glb([FilePart("whole", mesh, {PALETTE: _coloured(mesh, "whole", WHOLE_COLOUR)})])


def part_files(
    parts: Sequence[AcceptedPart], colours: Sequence[Colour], provenance: Provenance
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each part's file and of the one with all of them."""
    dressed = [_file_part(part, colour) for part, colour in zip(parts, colours, strict=True)]
    for part, file_part in zip(parts, dressed, strict=True):
        yield part.facts.file, glb([file_part])
    if parts:
        yield "mesh_combined.glb", glb(dressed, {} if provenance.job is None else {"job": provenance.job})


def _file_part(part: AcceptedPart, colour: Colour) -> FilePart:
    name = f"part_{part.facts.index:03d}"
    return FilePart(name, part.mesh, {PALETTE: _coloured(part.mesh, name, colour)}, _extras(part.facts))


def _coloured(mesh: TriangleMesh, name: str, colour: Colour) -> Appearance:
    return Appearance.plain(len(mesh.faces), Material(name, linear_rgba(colour)))


def _extras(facts: PartFacts) -> Mapping[str, object]:
    extras: dict[str, object] = {"seed": facts.seed, "notes": list(facts.notes)}
    return extras if facts.label is None else {**extras, "label": facts.label}
