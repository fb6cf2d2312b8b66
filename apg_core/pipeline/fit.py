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
    fitting = brief.stages.fit_parts([part.mesh for part in parts], mesh, brief.options)
    fitted = await brief.clock(Stage.FIT, fitting)
    if fitted.share < LEAST_ENCLOSED:
        return tuple(parts), (
            f"fit_to_mesh left the parts as they are: the mesh encloses {fitted.share:.0%} of their volume; "
            "is its surface closed?",
        )
    # A part that is nowhere in the mesh stays what it is.
    both = zip(parts, fitted.parts, strict=True)
    return tuple(part if now.mesh.is_empty else _refitted(part, now) for part, now in both), ()


def _refitted(part: AcceptedPart, now: Cleaned) -> AcceptedPart:
    notes = ("fitted to the given mesh", *now.notes)
    return AcceptedPart(part.facts.model_copy(update={"notes": notes}), now.mesh)
