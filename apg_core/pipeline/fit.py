"""The last step of a generation with a mesh: that mesh divided among the parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apg_core.geometry.values import NEARLY_WHITE, Cleaned, Partition, RegionPicture
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.stages import FittedParts
from apg_core.pipeline.whole import Seen
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, PartFacts, PartitionEntry, PartitionShare
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.stage import Stage

LEAST_ENCLOSED = 0.5
"""Share of the parts' volume that the mesh must enclose, for it to be divided among them."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The parts after fitting, and how they divide the mesh where they do."""

    parts: tuple[AcceptedPart, ...]
    warnings: tuple[str, ...] = ()
    failed_regions: tuple[FailedRegion, ...] = ()
    """Regions whose part has nothing of the mesh."""
    partition: PartitionEntry | None = None


async def fit_to_mesh(brief: Brief, parts: Sequence[AcceptedPart], mesh: TriangleMesh | None, seen: Seen) -> Fitted:
    """The normalised mesh divided among the parts, or where none was given their union; as the options ask for it."""
    if mesh is None and brief.options.exclusive and len(parts) > 1:
        return await _made_exclusive(brief, parts)
    if mesh is None or not parts or not brief.options.fit_to_mesh:
        return Fitted(tuple(parts))
    await brief.sink.stage(Stage.FIT)
    plain = TriangleMesh(mesh.vertices, mesh.faces)
    options, picture = fit_options(brief, len(parts)), _regions_shown(seen, parts)
    fitting = brief.stages.fit_parts([part.mesh for part in parts], plain, options, picture)
    fitted = await brief.clock(Stage.FIT, fitting)
    if fitted.share < LEAST_ENCLOSED or all(part.mesh.is_empty for part in fitted.parts):
        found = f"the mesh encloses {fitted.share:.0%} of their volume; is its surface closed?"
        return Fitted(tuple(parts), (f"fit_to_mesh left the parts as they are: {found}",))
    return _divided(parts, fitted)


def fit_options(brief: Brief, count: int) -> GenerationOptions:
    """The options as they hold for fitting, where there are so many parts before."""
    if brief.prompt.regions is None:
        room = max(brief.options.max_parts - count, 0)
    else:
        room = brief.options.further_parts if brief.options.mask_remainder else 0
    regroup = brief.options.regroup_pieces and brief.prompt.regions is None
    further = min(brief.options.further_parts, room)
    return brief.options.model_copy(update={"further_parts": further, "regroup_pieces": regroup})


def _regions_shown(seen: Seen, parts: Sequence[AcceptedPart]) -> RegionPicture | None:
    """Where the picture shows which part, in mask modes."""
    if seen.labels is None or seen.prepared is None:
        return None
    part = np.full(seen.labels.shape, -1)
    for row, each in enumerate(parts):
        part[np.isin(seen.labels, [label for label in (each.facts.label, *each.facts.further_labels) if label])] = row
    return RegionPicture(shown=(seen.labels > 0) | (seen.prepared < NEARLY_WHITE).any(axis=-1), part=part)


async def _made_exclusive(brief: Brief, parts: Sequence[AcceptedPart]) -> Fitted:
    """The union of the parts divided among them, as a given mesh would be; each keeps what only it has."""
    await brief.sink.stage(Stage.FIT)
    union = TriangleMesh.joined([TriangleMesh(part.mesh.vertices, part.mesh.faces) for part in parts])
    options = brief.options.model_copy(update={"fit_at_edges": False, "further_parts": 0})
    meshes = [part.mesh for part in parts]
    fitted = await brief.clock(Stage.FIT, brief.stages.fit_parts(meshes, union, options))
    if all(part.mesh.is_empty for part in fitted.parts):
        return Fitted(tuple(parts), ("exclusive left the parts as they are: they enclose nothing",))
    # Faces of the union are no given mesh's.
    plain = tuple(replace(now, mesh=TriangleMesh(now.mesh.vertices, now.mesh.faces)) for now in fitted.parts)
    found = _divided(parts, replace(fitted, parts=plain), note="without what others have", of="itself")
    return replace(found, partition=None)


def _divided(
    parts: Sequence[AcceptedPart],
    fitted: FittedParts,
    *,
    note: str = "fitted to the given mesh",
    of: str = "the given mesh",
) -> Fitted:
    """What the mesh was divided into; new parts first take the places of parts that have nothing of it."""
    kept: dict[int, tuple[AcceptedPart, int]] = {}
    gone = []
    for row, (part, now) in enumerate(zip(parts, fitted.parts, strict=False)):
        if now.mesh.is_empty:
            gone.append(part)
            continue
        notes = (note, *now.notes)
        kept[part.facts.index] = (part.now(part.facts.model_copy(update={"notes": notes}), now.mesh), row)
    further = zip(fitted.parts[len(parts) :], fitted.remainder, strict=True)
    for row, (now, remainder) in enumerate(further, start=len(parts)):
        index = next(i for i in range(len(kept) + 1) if i not in kept)
        last = parts[min(index, len(parts) - 1)].facts
        kept[index] = (further_part(last, now, index=index, remainder=remainder), row)
    places = sorted(kept)
    return Fitted(
        parts=tuple(kept[place][0] for place in places),
        warnings=tuple(f"part {part.facts.index} has nothing of {of}, and is left out" for part in gone),
        failed_regions=tuple(
            FailedRegion(label=part.facts.label, attempts=part.facts.attempt + 1, reason=f"nothing of {of}")
            for part in gone
            if part.facts.label is not None
        ),
        partition=partition_entry(fitted.partition, {place: kept[place][1] for place in places}),
    )


def further_part(like: PartFacts, now: Cleaned, *, index: int, remainder: bool) -> AcceptedPart:
    """A part that fitting has added."""
    why = "of the given mesh what no sampled part has" if remainder else "apart from the rest of a part"
    own = {"index": index, "label": None, "further_labels": (), "name": None, "overlap": 0.0, "remainder": remainder}
    return AcceptedPart(like.model_copy(update={**own, "notes": (why, *now.notes)}), now.mesh)


def partition_entry(partition: Partition, rows: dict[int, int]) -> PartitionEntry:
    return PartitionEntry(
        exact=partition.exact,
        unclaimed=partition.unclaimed,
        doubly_claimed=partition.doubly_claimed,
        parts=tuple(
            PartitionShare(index=index, share=partition.shares[row], doubly_claimed=partition.shared[row])
            for index, row in rows.items()
        ),
    )
