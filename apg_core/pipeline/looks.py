"""How the parts of an ending look: in their own colours, and as the given mesh does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from apg_core.geometry.dressing import dress, own_colour
from apg_core.geometry.normalise import normalise
from apg_core.geometry.picture.colours import Colour
from apg_core.geometry.projection import picture_looks
from apg_core.pipeline.ending import Ending
from apg_core.protocol.appearance import Appearance, Material, linear_rgba
from apg_core.protocol.arrays import RgbImage
from apg_core.protocol.manifest import AcceptedPart
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt

PALETTE, INPUT, PICTURE = "palette", "input", "picture"
Looks = Mapping[str, Appearance]
"""Of one part, by name; the first is the one that is shown."""


def part_looks(
    ending: Ending, colours: Sequence[Colour], prompt: Prompt, options: GenerationOptions
) -> dict[str, Looks]:
    """The looks of each part and candidate, by its file; `colours` are those of the parts."""
    colour_of = {part.facts.index: colour for part, colour in zip(ending.parts, colours, strict=True)}
    parts = (*ending.parts, *ending.candidates)
    own = {part.facts.file: palette_look(part, colour_of[part.facts.index]) for part in parts}
    if options.appearance == "picture" and prompt.image is not None:
        pictured = {part.facts.file: part.mesh.look for part in ending.parts if part.mesh.look is not None}
        return own | {file: {PICTURE: look, **own[file]} for file, look in pictured.items()}
    look = given_look(prompt, options)
    if prompt.mesh is None or look is None:
        return own
    given, _ = normalise(prompt.mesh, up=options.input_up)
    return {part.facts.file: {INPUT: dress(part.mesh, given, look), **own[part.facts.file]} for part in parts}


def pictured(parts: Sequence[AcceptedPart], picture: RgbImage) -> tuple[AcceptedPart, ...]:
    """The parts as a picture of them shows them; one that an edit has left as it was keeps the look that it has."""
    if all(part.mesh.look is not None for part in parts):
        return tuple(parts)
    looks = picture_looks([part.mesh for part in parts], picture)
    if looks is None:
        return tuple(parts)
    return tuple(
        replace(part, mesh=replace(part.mesh, look=part.mesh.look or look))
        for part, look in zip(parts, looks, strict=True)
    )


def palette_look(part: AcceptedPart, colour: Colour) -> Looks:
    """A part in a colour of its own."""
    return {PALETTE: own_colour(part.mesh, Material(f"part_{part.facts.index:03d}", linear_rgba(colour)))}


def given_look(prompt: Prompt, options: GenerationOptions) -> Appearance | None:
    """How the given mesh looks, where its parts are to look so."""
    look = None if prompt.mesh is None else prompt.mesh.look
    return look if look is not None and options.appearance == "input" and look.says_something else None


def look_warnings(prompt: Prompt, options: GenerationOptions) -> tuple[str, ...]:
    """What of the given mesh's looks the parts do not have."""
    if options.appearance == "picture" and prompt.image is None:
        return ("appearance 'picture' has no effect without an image; the parts have colours of their own",)
    if options.appearance != "input" or prompt.mesh is None or prompt.mesh.look is None:
        return ()
    return tuple(f"appearance of the given mesh: {note}" for note in prompt.mesh.look.notes)
