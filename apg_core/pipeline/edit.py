"""What an edit comes to, without doing it: the options of the new generation, and the places that are to be filled.

Nothing here works or waits, and only the record of the earlier generation is needed: the service plans an edit before
it queues a job for it. `editing.py` carries a plan out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apg_core.errors import EditError
from apg_core.pipeline.earlier import Record
from apg_core.pipeline.slots import Slot
from apg_core.protocol.edit import Continue, Edit, Merge, Pick, Remove, Rename, Reorder, Resample, Split
from apg_core.protocol.manifest import PartFacts, StopReason
from apg_core.protocol.options import GenerationOptions

_SETTLED = (StopReason.NO_NEW_PART, StopReason.END_OF_SEQUENCE, StopReason.ALL_REGIONS_DONE)
"""Ends that the same seed would come to again."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an edit comes to."""

    edit: Edit
    options: GenerationOptions
    """Of the new generation, complete."""
    kept: tuple[PartFacts, ...]
    """The parts that stay, as they will be listed."""
    slots: tuple[Slot, ...] = ()
    """Places to be filled by sampling."""

    @property
    def samples(self) -> bool:
        """Whether networks have to work."""
        return isinstance(self.edit, Continue | Resample | Split)

    @property
    def parts_total(self) -> int | None:
        """How many parts will have been accepted at the end, candidates among them, where that is known."""
        match self.edit:
            case Continue() if not self.slots:
                return None
            case Split():
                return None
        return len(self.kept) + len(self.slots)


def plan_edit(record: Record, edit: Edit) -> Plan:
    """What this edit of this generation comes to.

    Raises:
        EditError: it does not fit the generation.
        OptionError: its options do not go together.
    """
    options = _options(record, edit)
    match edit:
        case Continue():
            slots = _open_regions(record, options)
            return Plan(edit=edit, options=options, kept=record.parts, slots=slots)
        case Resample():
            _check_known(record, edit.parts, "parts")
            kept = tuple(facts for facts in record.parts if facts.index not in edit.parts)
            return Plan(edit=edit, options=options, kept=kept, slots=_slots_of(record, edit))
        case Pick():
            return Plan(edit=edit, options=options, kept=_with_candidate(record, edit.candidate))
        case Merge():
            _check_known(record, edit.parts, "parts")
            return Plan(edit=edit, options=options, kept=_merged(record, edit.parts))
        case Split():
            _check_known(record, [edit.part], "part")
            kept = tuple(facts for facts in record.parts if facts.index != edit.part)
            return Plan(edit=edit, options=options, kept=kept)
        case Remove():
            _check_known(record, edit.parts, "parts")
            if not (kept := tuple(facts for facts in record.parts if facts.index not in edit.parts)):
                raise EditError("parts: removing all of them leaves no part; keep at least one", field="parts")
            return Plan(edit=edit, options=options, kept=kept)
        case Rename():
            _check_known(record, edit.names, "names")
            return Plan(edit=edit, options=options, kept=_renamed(record, edit.names))
        case Reorder():
            return Plan(edit=edit, options=options, kept=_reordered(record, edit.order))


def _options(record: Record, edit: Edit) -> GenerationOptions:
    changed = dict(getattr(edit, "options", {}))
    settled = isinstance(edit, Continue) and record.stop_reason in _SETTLED
    if "seed" not in changed and (settled or isinstance(edit, Resample | Split)):
        changed["seed"] = (int(record.options["seed"] or 0) + 1) % 2**63
    return GenerationOptions.model_validate({**record.options, **changed})


def _open_regions(record: Record, options: GenerationOptions) -> tuple[Slot, ...]:
    if record.regions is None:
        if len(record.parts) >= options.max_parts:
            raise EditError(
                f"max_parts is {options.max_parts}, and there are {len(record.parts)} parts; give a larger one",
                field="max_parts",
            )
        return ()
    done = {label for facts in record.parts for label in facts.labels}
    wanted = [(turn, label) for turn, label in enumerate(record.regions) if label not in done]
    if not wanted:
        raise EditError("operation: every region has its part; resample one to have another", field="operation")
    first = next_index(record.parts)
    return tuple(Slot(first + place, turn, label) for place, (turn, label) in enumerate(wanted))


def _slots_of(record: Record, edit: Resample) -> tuple[Slot, ...]:
    if edit.candidates > 1 and len(edit.parts) > 1:
        raise EditError(
            f"candidates: {edit.candidates} can be made of one part at a time, got {len(edit.parts)} parts",
            field="candidates",
        )
    slots = []
    for index in edit.parts:
        label = _known(record, index, "parts").label
        turn = record.regions.index(label) if record.regions and label in record.regions else index
        several = range(edit.candidates) if edit.candidates > 1 else (None,)
        slots += [Slot(index, turn, label, candidate) for candidate in several]
    return tuple(slots)


def _with_candidate(record: Record, number: int) -> tuple[PartFacts, ...]:
    if not record.candidates:
        raise EditError("candidate: this generation has none; resample a part with candidates first", field="candidate")
    chosen = next((facts for facts in record.candidates if facts.candidate == number), None)
    if chosen is None:
        known = ", ".join(str(facts.candidate) for facts in record.candidates)
        raise EditError(f"candidate: there is no {number}; there are {known}", field="candidate")
    earlier = _known(record, chosen.index, "candidate")
    kept = {"candidate": None, "name": earlier.name, "colour": earlier.colour}
    stay = (facts for facts in record.parts if facts.left_by != earlier.index)
    return tuple(chosen.model_copy(update=kept) if facts is earlier else facts for facts in stay)


def _merged(record: Record, parts: Sequence[int]) -> tuple[PartFacts, ...]:
    first, *others = (_known(record, index, "parts") for index in parts)
    labels = tuple(dict.fromkeys(label for facts in (first, *others) for label in facts.labels))
    notes = (*first.notes, f"merged with {', '.join(str(facts.index) for facts in others)}")
    further = tuple(label for label in labels if label != first.label)
    merged = first.model_copy(update={"notes": notes, "further_labels": further})
    return tuple(merged if facts is first else facts for facts in record.parts if facts not in others)


def _renamed(record: Record, names: Mapping[int, str]) -> tuple[PartFacts, ...]:
    return tuple(
        facts.model_copy(update={"name": names[facts.index] or None}) if facts.index in names else facts
        for facts in record.parts
    )


def _reordered(record: Record, order: Sequence[int]) -> tuple[PartFacts, ...]:
    _check_known(record, order, "order")
    if missing := [str(facts.index) for facts in record.parts if facts.index not in order]:
        raise EditError(f"order: has to name every part once; {', '.join(missing)} is missing", field="order")
    return tuple(_known(record, index, "order") for index in order)


def next_index(parts: Iterable[PartFacts]) -> int:
    """The first index beyond those of these parts."""
    return max((facts.index for facts in parts), default=-1) + 1


def _check_known(record: Record, indices: Iterable[int], field: str) -> None:
    for index in indices:
        _known(record, index, field)


def _known(record: Record, index: int, field: str) -> PartFacts:
    if (facts := record.part(index)) is None:
        known = ", ".join(str(facts.index) for facts in record.parts) or "none"
        raise EditError(f"{field}: there is no part {index}; there are {known}", field=field)
    return facts
