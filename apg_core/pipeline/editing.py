"""Carries out an edit: over the same loop and stages as the generation that it changes (docs/how-it-works.md, "Edits").

What further parts are sampled beside is the union of the parts that stay, each as it was sampled; where it never was,
as it is. A part that an edit leaves alone keeps its mesh; `refit.py` keeps the parts' division of a given mesh true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apg_core.geometry.files import check_formats
from apg_core.geometry.normalise import Placement, normalise
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.edit import next_index
from apg_core.pipeline.edit_brief import EditBrief
from apg_core.pipeline.ending import Ending, Resume
from apg_core.pipeline.generate import generate, make_parts, whole_mesh
from apg_core.pipeline.refit import fit_edited
from apg_core.pipeline.session import PartSession, Session
from apg_core.pipeline.sink import Sink
from apg_core.pipeline.slots import SlotSession
from apg_core.pipeline.stages import OnStep
from apg_core.pipeline.whole import Seen, Whole, get_whole, see
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.edit import Continue, Merge, Pick, Remove, Rename, Reorder, Resample, Split
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, StopReason
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage


@dataclass(frozen=True, eq=False, kw_only=True)
class _Edited:
    """Parts as an edit leaves them, before they are fitted."""

    parts: Sequence[AcceptedPart]
    stop_reason: StopReason = StopReason.EDITED
    candidates: Sequence[AcceptedPart] | None = None
    """None leaves those that there are."""
    failed_regions: Sequence[FailedRegion] | None = None
    warnings: tuple[str, ...] = ()


async def carry_out(brief: EditBrief, resume: Resume | None = None) -> Ending:
    """Do the edit; `resume` is what an interrupted run of it had got to.

    The same edit of the same generation gives the same meshes, also across an interruption that is resumed.

    Raises:
        BackendMissingError: a format that cannot be written here is asked for.
        SamplingError: the network's output is not finite.
    """
    check_formats(brief.options.formats)
    resume = resume or Resume()
    seen = await _seen(brief)
    whole = await _whole(brief, seen, resume)
    edited = await _edited(brief, seen, whole, resume)
    before = {part.facts.index: part.mesh for part in brief.earlier.parts}
    fitted = await fit_edited(brief, edited.parts, whole.mesh, seen)
    parts = fitted.parts
    failed = brief.earlier.record.failed_regions if edited.failed_regions is None else edited.failed_regions
    return Ending(
        parts=parts,
        failed_regions=(*failed, *fitted.failed_regions),
        stop_reason=edited.stop_reason,
        whole=whole.latent,
        whole_mesh=await whole_mesh(brief, whole),
        placement=whole.placement,
        prepared=seen.prepared,
        warnings=seen.warnings + edited.warnings + fitted.warnings,
        timings={stage.value: seconds for stage, seconds in brief.clock.seconds.items()},
        partition=fitted.partition,
        candidates=_candidates(brief, edited),
        finished=frozenset(part.facts.index for part in parts if part.mesh is before.get(part.facts.index)),
        edited=brief.earlier.record.edited or not isinstance(brief.plan.edit, Continue | Rename | Reorder),
    )


async def _seen(brief: EditBrief) -> Seen:
    known = brief.prompt.image is None or brief.earlier.prepared is not None
    if known and not isinstance(brief.plan.edit, Continue | Resample):
        return Seen(prepared=brief.earlier.prepared)
    return await see(brief)


async def _whole(brief: EditBrief, seen: Seen, resume: Resume) -> Whole:
    known = brief.earlier.whole
    if known is None or isinstance(brief.plan.edit, Continue | Resample):
        return await get_whole(brief, seen, resume.whole if known is None else known)
    if brief.prompt.mesh is None:
        return Whole(known)
    return Whole(known, *normalise(brief.prompt.mesh, up=brief.options.input_up))


async def _edited(brief: EditBrief, seen: Seen, whole: Whole, resume: Resume) -> _Edited:
    match brief.plan.edit:
        case Continue():
            return await _continued(brief, seen, whole, resume)
        case Resample():
            return await _resampled(brief, seen, whole, resume)
        case Split() as edit:
            return await _split(brief, edit, resume)
        case Merge() as edit:
            return _Edited(parts=await _merged(brief, edit.parts))
        case Pick() as edit:
            return _Edited(parts=_picked(brief, edit.candidate))
        case _:
            return _Edited(parts=_kept(brief))


def _kept(brief: EditBrief) -> tuple[AcceptedPart, ...]:
    by_index = {part.facts.index: part for part in brief.earlier.parts}
    return tuple(replace(by_index[facts.index], facts=facts) for facts in brief.plan.kept)


async def _continued(brief: EditBrief, seen: Seen, whole: Whole, resume: Resume) -> _Edited:
    kept, options, regions = _kept(brief), brief.options, brief.prompt.regions
    accepted = [part.facts for part in resume.parts]
    session: Session
    if regions is None:
        facts = [*brief.plan.kept, *accepted]
        session = PartSession(options, end_threshold=brief.end_threshold, accepted=facts)
    else:
        session = SlotSession(
            options,
            brief.plan.slots,
            accepted=accepted,
            failed=resume.failed_regions,
            end_threshold=brief.end_threshold,
        )
    parts = await make_parts(brief, session, seen, whole, [*(part.as_sampled for part in kept), *resume.parts])
    reason = session.stop_reason if regions is None else StopReason.ALL_REGIONS_DONE
    assert reason is not None
    return _Edited(
        parts=(*kept, *parts[len(kept) :]),
        stop_reason=reason,
        failed_regions=session.failed_regions,
    )


async def _resampled(brief: EditBrief, seen: Seen, whole: Whole, resume: Resume) -> _Edited:
    session = SlotSession(
        brief.options,
        brief.plan.slots,
        accepted=[part.facts for part in resume.parts],
        failed=resume.failed_regions,
        end_threshold=brief.end_threshold,
    )
    kept = [part.as_sampled for part in _kept(brief)]
    made = (await make_parts(brief, session, seen, whole, [*kept, *resume.parts]))[len(kept) :]
    candidates = [part for part in made if part.facts.candidate is not None]
    new = {part.facts.index: part for part in reversed(made)}  # of candidates the first
    parts, warnings = [], []
    for part in brief.earlier.parts:
        index = part.facts.index
        if index in new:
            parts.append(_in_place_of(part, new[index]))
            continue
        parts.append(part)
        if any(slot.index == index for slot in brief.plan.slots):
            warnings.append(f"part {index} stays as it was: no attempt found another")
    assert session.stop_reason is not None
    return _Edited(
        parts=parts,
        stop_reason=session.stop_reason,
        candidates=candidates or None,
        warnings=tuple(warnings),
    )


def _in_place_of(earlier: AcceptedPart, part: AcceptedPart) -> AcceptedPart:
    kept = {name: getattr(earlier.facts, name) for name in ("name", "colour", "further_labels")}
    return replace(part, facts=part.facts.model_copy(update={**kept, "candidate": None}))


def _picked(brief: EditBrief, number: int) -> tuple[AcceptedPart, ...]:
    candidate = next(part for part in brief.earlier.candidates if part.facts.candidate == number)
    index = candidate.facts.index
    return tuple(
        _in_place_of(part, candidate) if part.facts.index == index else part
        for part in brief.earlier.parts
        if part.facts.left_by != index
    )


async def _merged(brief: EditBrief, indices: Sequence[int]) -> tuple[AcceptedPart, ...]:
    await brief.sink.stage(Stage.CLEANUP)
    by_index = {part.facts.index: part for part in brief.earlier.parts}
    merged = [by_index[index] for index in indices]
    united = await brief.clock(Stage.CLEANUP, brief.stages.merge_parts([part.mesh for part in merged]))
    parts = []
    for facts in brief.plan.kept:
        if facts.index == indices[0]:
            noted = facts.model_copy(update={"notes": (*facts.notes, *united.notes)})
            sampled = TriangleMesh.joined([part.as_sampled.mesh for part in merged])
            parts.append(AcceptedPart(noted, united.mesh, sampled))
        else:
            parts.append(by_index[facts.index])
    return tuple(parts)


async def _split(brief: EditBrief, edit: Split, resume: Resume) -> _Edited:
    whole = next(part for part in brief.earlier.parts if part.facts.index == edit.part)
    prompt = Prompt(mesh=TriangleMesh(whole.mesh.vertices, whole.mesh.faces))
    assert prompt.mesh is not None
    pieces = _Pieces(whole, next_index(brief.earlier.record.parts), normalise(prompt.mesh)[1])
    inner = Brief(
        prompt=prompt,
        options=brief.options.model_copy(update={"save_whole": False, "input_up": "y", "frame": "normalised"}),
        preset=brief.preset,
        stages=brief.stages,
        sink=_PlacingSink(brief.sink, pieces),
        clock=brief.clock,
    )
    ending = await generate(inner, Resume(whole=resume.whole, parts=resume.parts))
    partition_lost = whole.mesh.source is not None and brief.options.fit_to_mesh and ending.partition is None
    if len(ending.parts) < 2 or partition_lost:
        found = f"part {edit.part} stays in one: its mesh was not divided"
        return _Edited(
            parts=brief.earlier.parts,
            stop_reason=StopReason.NO_NEW_PART,
            warnings=(found,),
        )
    placed = [pieces.placed(number, part) for number, part in enumerate(ending.parts)]
    parts = [one for part in brief.earlier.parts for one in (placed if part is whole else [part])]
    return _Edited(parts=parts, warnings=ending.warnings)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The parts that come of splitting one: its place is theirs, in its frame."""

    whole: AcceptedPart
    next_index: int
    placement: Placement

    def placed(self, number: int, part: AcceptedPart) -> AcceptedPart:
        """A piece as a part of the object."""
        first, whole = number == 0, self.whole.facts
        own = {
            "index": whole.index if first else self.next_index + number - 1,
            "name": whole.name if first else None,
            "colour": whole.colour if first else None,
            "further_labels": whole.labels if first else (),
            "notes": (f"split from part {whole.index}", *part.facts.notes),
        }
        sampled = None if part.sampled is None else self._moved(part.sampled)
        return AcceptedPart(part.facts.model_copy(update=own), self._moved(part.mesh), sampled)

    def _moved(self, mesh: TriangleMesh) -> TriangleMesh:
        vertices = mesh.vertices * self.placement.scale + self.placement.centre
        given = self.whole.mesh.source  # of the part's faces, those of the given mesh that they lie in
        source = None if given is None or mesh.source is None else np.where(mesh.source < 0, -1, given[mesh.source])
        return TriangleMesh(vertices.astype(mesh.vertices.dtype), mesh.faces, source)


@dataclass(frozen=True)
class _PlacingSink:
    """A sink for the parts of a part: callers are shown them in the object's frame."""

    sink: Sink
    pieces: _Pieces

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        await self.sink.stage(stage, part=part, attempt=attempt)

    def on_step(self) -> OnStep | None:
        return self.sink.on_step()

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        await self.sink.whole(latent, prepared)

    async def part(self, part: AcceptedPart) -> None:
        await self.sink.part(replace(part, shown=self.pieces.placed(part.facts.index, part)))

    async def region_failed(self, region: FailedRegion) -> None:
        await self.sink.region_failed(region)


def _candidates(brief: EditBrief, edited: _Edited) -> tuple[AcceptedPart, ...]:
    if edited.candidates is not None:
        return tuple(edited.candidates)
    gone = {Merge: "parts", Remove: "parts", Resample: "parts"}.get(type(brief.plan.edit))
    touched = set(getattr(brief.plan.edit, gone)) if gone else set()
    if isinstance(brief.plan.edit, Split):
        touched.add(brief.plan.edit.part)
    return tuple(part for part in brief.earlier.candidates if part.facts.index not in touched)
