"""How an edit keeps the partition of a given mesh true.

What is made again gets what the parts in whose place it is had of the mesh, and what it leaves of that is a part of its
own; all others stay as they are. Going on divides the whole mesh anew, as the generation would have; once an edit has
divided it otherwise, further parts get what is nobody's, and take from the parts that they reach into.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apg_core.geometry.values import Cleaned, Reopened
from apg_core.pipeline.edit import next_index
from apg_core.pipeline.edit_brief import EditBrief
from apg_core.pipeline.fit import Fitted, fit_options, fit_to_mesh, further_part, partition_entry
from apg_core.pipeline.stages import FittedParts
from apg_core.pipeline.whole import Seen
from apg_core.protocol.edit import Continue, Pick, Resample
from apg_core.protocol.manifest import AcceptedPart, PartitionEntry
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.stage import Stage


async def fit_edited(brief: EditBrief, parts: Sequence[AcceptedPart], mesh: TriangleMesh | None, seen: Seen) -> Fitted:
    """The parts of an edit as they divide the normalised mesh, where one was given and options ask for it."""
    if mesh is None or not brief.options.fit_to_mesh:
        return Fitted(tuple(parts))
    change = _Change.of(brief.earlier.parts, parts)
    if not change.new and not change.gone:
        return Fitted(tuple(parts), partition=_in_order(brief.earlier.record.partition, parts))
    edit = brief.plan.edit
    cut = [part for part in parts if part.mesh.source is not None]
    if isinstance(edit, Continue):
        anew = not cut or not brief.earlier.record.edited
        return await (_all_anew(brief, parts, mesh, seen) if anew else _among(brief, parts, cut, mesh))
    if any(part.mesh.source is None for part in brief.earlier.parts):
        return await _all_anew(brief, parts, mesh, seen) if isinstance(edit, Resample | Pick) else Fitted(tuple(parts))
    sampled = change.new if isinstance(edit, Resample | Pick) else ()
    kept = [part for part in parts if all(part is not one for one in sampled)]
    reopened = Reopened(
        TriangleMesh(mesh.vertices, mesh.faces),
        region=[part.mesh for part in change.gone] if sampled else [],
        kept=[part.mesh for part in kept],
    )
    await brief.sink.stage(Stage.FIT)
    options = fit_options(brief, len(parts))
    fitting = brief.stages.refit_parts([part.as_sampled.mesh for part in sampled], reopened, options)
    fitted = await brief.clock(Stage.FIT, fitting)
    if not sampled:
        return _measured(parts, fitted)
    if all(now.mesh.is_empty for now in fitted.parts[: len(sampled)]):
        return _as_before(brief, sampled)
    return _placed(brief, parts, change, fitted)


@dataclass(frozen=True, eq=False)
class _Change:
    """Parts of before that are no longer there as they were, and parts that were not there."""

    gone: tuple[AcceptedPart, ...]
    new: tuple[AcceptedPart, ...]

    @classmethod
    def of(cls, before: Sequence[AcceptedPart], after: Sequence[AcceptedPart]) -> "_Change":
        stay = {id(part.mesh) for part in before} & {id(part.mesh) for part in after}
        gone, new = (tuple(part for part in some if id(part.mesh) not in stay) for some in (before, after))
        return cls(gone, new)


def _in_order(partition: PartitionEntry | None, parts: Sequence[AcceptedPart]) -> PartitionEntry | None:
    if partition is None:
        return None
    share = {one.index: one for one in partition.parts}
    return partition.model_copy(update={"parts": tuple(share[part.facts.index] for part in parts)})


def _measured(parts: Sequence[AcceptedPart], fitted: FittedParts) -> Fitted:
    rows = {part.facts.index: row for row, part in enumerate(parts)}
    return Fitted(tuple(parts), partition=partition_entry(fitted.partition, rows))


def _as_before(brief: EditBrief, sampled: Sequence[AcceptedPart]) -> Fitted:
    found = "what was sampled has nothing of its place in the given mesh"
    warnings = tuple(f"part {part.facts.index} stays as it was: {found}" for part in sampled)
    return Fitted(brief.earlier.parts, warnings, partition=brief.earlier.record.partition)


def _placed(brief: EditBrief, parts: Sequence[AcceptedPart], change: _Change, fitted: FittedParts) -> Fitted:
    """The parts, of which those made again are as they were cut; behind the last of these comes what they left."""
    new = {part.facts.index: now for part, now in zip(change.new, fitted.parts, strict=False)}
    kept = [part.facts.index for part in parts if part.facts.index not in new]
    row_of = {index: row for row, index in enumerate((*kept, *new))}
    listed: list[AcceptedPart] = []
    for part in parts:
        now = new.get(part.facts.index)
        if now is None:
            listed.append(part)
        elif not now.mesh.is_empty:
            notes = ("fitted to the given mesh", *now.notes)
            listed.append(part.now(part.facts.model_copy(update={"notes": notes}), now.mesh))
        if now is not None and part is change.new[-1]:
            left = _left(brief, part, fitted.parts[len(new) :], fitted.remainder)
            row_of |= {one.facts.index: len(row_of) + place for place, one in enumerate(left)}
            listed += [one for one in left if not one.mesh.is_empty]
    rows = {part.facts.index: row_of[part.facts.index] for part in listed}
    lost = [index for index, now in new.items() if now.mesh.is_empty]
    warnings = tuple(f"part {index} has nothing of its place in the given mesh, and is left out" for index in lost)
    return Fitted(
        tuple(listed), warnings + _same_as_before(change, listed), (), partition_entry(fitted.partition, rows)
    )


def _left(
    brief: EditBrief, part: AcceptedPart, cut: Sequence[Cleaned], remainder: Sequence[bool]
) -> list[AcceptedPart]:
    first = next_index(brief.earlier.record.parts)
    like = part.facts.model_copy(update={"left_by": part.facts.index, "colour": None})
    both = enumerate(zip(cut, remainder, strict=True), start=first)
    return [further_part(like, now, index=index, remainder=sampled_by_none) for index, (now, sampled_by_none) in both]


def _same_as_before(change: _Change, listed: Sequence[AcceptedPart]) -> tuple[str, ...]:
    before = {part.facts.index: part.mesh for part in change.gone}
    same = [
        part.facts.index
        for part in listed
        if (mesh := before.get(part.facts.index)) is not None and _same(mesh, part.mesh)
    ]
    hint = "to move its border, make it again together with the part beside it"
    return tuple(f"part {index} has all that it had of the given mesh, and nothing else; {hint}" for index in same)


async def _among(
    brief: EditBrief, parts: Sequence[AcceptedPart], cut: Sequence[AcceptedPart], mesh: TriangleMesh
) -> Fitted:
    """Further parts among those that were cut: these lose what the further ones take, and are else as they were."""
    new = [part for part in parts if part.mesh.source is None]
    reopened = Reopened(TriangleMesh(mesh.vertices, mesh.faces), region=[], kept=[part.mesh for part in cut])
    await brief.sink.stage(Stage.FIT)
    fitting = brief.stages.refit_parts([part.as_sampled.mesh for part in new], reopened, fit_options(brief, len(parts)))
    fitted = await brief.clock(Stage.FIT, fitting)
    if not fitted.parts:
        found = "the further parts are not closed, and stay as they were sampled"
        return Fitted(tuple(parts), (f"fit_to_mesh left the parts as they are: {found}",))
    rows = {part.facts.index: row for row, part in enumerate((*cut, *new))}
    listed = [_as_cut(part, fitted.parts[rows[part.facts.index]]) for part in parts]
    left = [part for part in listed if not part.mesh.is_empty]
    gone = [part.facts.index for part in listed if part.mesh.is_empty]
    return Fitted(
        tuple(left),
        tuple(f"part {index} has nothing of the given mesh, and is left out" for index in gone),
        partition=partition_entry(fitted.partition, {part.facts.index: rows[part.facts.index] for part in left}),
    )


def _as_cut(part: AcceptedPart, now: Cleaned) -> AcceptedPart:
    if _same(part.mesh, now.mesh):
        return part
    notes = dict.fromkeys((*part.facts.notes, "fitted to the given mesh", *now.notes))
    return part.now(part.facts.model_copy(update={"notes": tuple(notes)}), now.mesh)


async def _all_anew(brief: EditBrief, parts: Sequence[AcceptedPart], mesh: TriangleMesh, seen: Seen) -> Fitted:
    """All parts fitted from what was sampled; those that come out with the same surface are the ones from before."""
    fitted = await fit_to_mesh(brief, [part.as_sampled for part in parts], mesh, seen)
    before = {part.facts.index: part for part in parts}
    same = tuple(_unless_same(before.get(part.facts.index), part) for part in fitted.parts)
    return replace(fitted, parts=same)


def _unless_same(before: AcceptedPart | None, now: AcceptedPart) -> AcceptedPart:
    return now if before is None or not _same(before.mesh, now.mesh) else before


def _same(one: TriangleMesh, other: TriangleMesh) -> bool:
    return np.array_equal(one.vertices, other.vertices) and np.array_equal(one.faces, other.faces)
