"""Parts as files: their names, looks, frame and formats, and what the files say of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath

from apg_core.geometry.files import write_model
from apg_core.geometry.files.frame import FileFrame, Unit
from apg_core.geometry.files.glb import glb
from apg_core.geometry.files.model import FilePart, Model
from apg_core.geometry.picture.colours import WHOLE_COLOUR, Colour
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.looks import PALETTE, Looks, palette_look
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.formats import MESH_FORMATS
from apg_core.protocol.manifest import AcceptedPart, PartFacts, Provenance
from apg_core.protocol.options import OutputOptions

COMBINED = "mesh_combined"
_METRES = (".glb", ".gltf", ".zip")
"""Endings of given meshes whose unit is the metre; that of others is taken to be the millimetre."""


def draft_glb(part: AcceptedPart, colour: Colour) -> bytes:
    """A part's file while others are still to come, in the normalised frame and a colour of its own."""
    return glb([_file_part(part, palette_look(part, colour))])


def part_files(
    ending: Ending, looks: Mapping[str, Looks], options: OutputOptions, provenance: Provenance
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each part's files, of those with all of them, and of the whole object's.

    `looks` are those of each part and candidate, by its file. Files of one part have the look that is shown, the
    combined one has all of them to choose from.
    """
    parts = [_file_part(part, looks[part.facts.file]) for part in ending.parts]
    models = {
        PurePath(part.facts.file).stem: [_file_part(part, _shown(looks[part.facts.file]))]
        for part in (*ending.parts, *ending.candidates)
    }
    if parts:
        models[COMBINED] = parts
    if ending.whole_mesh is not None and not ending.whole_mesh.is_empty:
        grey = Appearance.plain(len(ending.whole_mesh.faces), Material("whole", linear_rgba(WHOLE_COLOUR)))
        models["whole"] = [FilePart("whole", ending.whole_mesh, {PALETTE: grey})]
    written: set[str] = set()
    for kind in options.formats.split(","):
        frame = _frame(kind, ending, options, provenance)
        for stem, some in models.items():
            extras = {"job": provenance.job} if stem == COMBINED and provenance.job is not None else {}
            placed = [replace(part, mesh=frame.place(part.mesh)) for part in some]
            for name, content in write_model(kind, stem, Model(placed, frame, extras, options.compress)):
                if name not in written:  # a texture is the same in all of them
                    written.add(name)
                    yield name, content


def _frame(kind: str, ending: Ending, options: OutputOptions, provenance: Provenance) -> FileFrame:
    placement = ending.placement if options.frame == "input" else None
    if placement is None:
        return FileFrame(up=options.output_up or MESH_FORMATS[kind].up)
    given = provenance.inputs.get("mesh")
    unit: Unit = "meter" if given is None or given.name.lower().endswith(_METRES) else "millimeter"
    return FileFrame(placement=placement, up=options.output_up or placement.up, unit=unit)


def _file_part(part: AcceptedPart, looks: Looks) -> FilePart:
    return FilePart(part.facts.name or f"part_{part.facts.index:03d}", part.mesh, looks, _extras(part.facts))


def _shown(looks: Looks) -> Looks:
    return dict([next(iter(looks.items()))])


def _extras(facts: PartFacts) -> Mapping[str, object]:
    extras: dict[str, object] = {"seed": facts.seed, "notes": list(facts.notes)}
    return extras if facts.label is None else {**extras, "label": facts.label}
