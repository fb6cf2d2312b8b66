"""The last step of a generation with a mesh: its parts fitted to that mesh."""

from collections.abc import Sequence

from apg_core.geometry.parts.cleanup import Cleaned
from apg_core.pipeline.brief import Brief
from apg_core.protocol.manifest import AcceptedPart
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.stage import Stage

LEAST_ENCLOSED = 0.5
"""Share of the parts' volume that the mesh must enclose, for them to be fitted to it."""


async def fit_to_mesh(
    brief: Brief, parts: Sequence[AcceptedPart], mesh: TriangleMesh | None
) -> tuple[tuple[AcceptedPart, ...], tuple[str, ...]]:
    """The parts fitted to the normalised mesh, where there is one and the options ask for it; and warnings."""
    if mesh is None or not parts or not brief.options.fit_to_mesh:
        return tuple(parts), ()
    await brief.sink.stage(Stage.FIT)
    # A region of a mask is one part, and there are no others.
    room = 0 if brief.prompt.regions else max(brief.options.max_parts - len(parts), 0)
    options = brief.options.model_copy(update={"further_parts": min(brief.options.further_parts, room)})
    fitting = brief.stages.fit_parts([part.mesh for part in parts], mesh, options)
    fitted = await brief.clock(Stage.FIT, fitting)
    if fitted.share < LEAST_ENCLOSED:
        return tuple(parts), (
            f"fit_to_mesh left the parts as they are: the mesh encloses {fitted.share:.0%} of their volume; "
            "is its surface closed?",
        )
    if fitted.divided and not brief.prompt.regions:
        return _divided(parts, fitted.parts), ()
    # A part that is nowhere in the mesh stays what it is.
    both = zip(parts, fitted.parts, strict=True)
    return tuple(part if now.mesh.is_empty else _refitted(part, now) for part, now in both), ()


def _divided(parts: Sequence[AcceptedPart], pieces: Sequence[Cleaned]) -> tuple[AcceptedPart, ...]:
    """What the mesh was divided into; new parts first take the places of parts that have nothing of it."""
    both = enumerate(zip(parts, pieces, strict=False))
    kept = {place: _refitted(part, now) for place, (part, now) in both if not now.mesh.is_empty}
    for now in pieces[len(parts) :]:
        place = next(i for i in range(len(pieces)) if i not in kept)
        facts = parts[min(place, len(parts) - 1)].facts.model_copy(
            update={"index": place, "overlap": 0.0, "notes": ("of the given mesh what no sampled part has", *now.notes)}
        )
        kept[place] = AcceptedPart(facts, now.mesh)
    return tuple(kept[place] for place in sorted(kept))


def _refitted(part: AcceptedPart, now: Cleaned) -> AcceptedPart:
    notes = ("fitted to the given mesh", *now.notes)
    return part.now(part.facts.model_copy(update={"notes": notes}), now.mesh)
