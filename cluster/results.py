"""How each object of a batch ended: one row each, in `results.parquet` or `errors.parquet`, and what a rerun skips."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, TypeAdapter, ValidationError

from apg_core.errors import InputError
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.items import ERRORS, RESULTS, Item
from cluster.storage import Place, open_folder
from cluster.work import Work

MANIFEST = "manifest.json"
RECORD = ".files.json"
"""Written next to last, before the manifest: the hash of every file in the folder."""
_RECORD = TypeAdapter(dict[str, str])
_WITHOUT_EFFECT = frozenset({"show_progress"})  # options that change no file

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("parts", pa.int32()),
        pa.field("stop_reason", pa.string()),
        pa.field("seconds", pa.float64()),
        pa.field("code", pa.string()),
        pa.field("message", pa.string()),
        pa.field("field", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row of results or of errors."""

    id: str
    status: str
    """`succeeded` or `failed`."""
    parts: int | None = None
    stop_reason: str | None = None
    seconds: float | None = None
    """Time in all stages; sampling in company counts the wait for the others."""
    code: str | None = None
    message: str | None = None
    field: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether its folder is complete."""
        return self.status == "succeeded"

    @classmethod
    def of(cls, work: Work) -> "Outcome":
        """How this work ended."""
        if work.failure is not None:
            return cls(id=work.item.id, status="failed", **asdict(work.failure))
        assert work.ending is not None
        return cls(
            id=work.item.id,
            status="succeeded",
            parts=len(work.ending.parts),
            stop_reason=str(work.ending.stop_reason),
            seconds=round(sum(work.ending.timings.values()), 3),
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a run asks of every object, beside its options."""

    preset: str
    weights: Mapping[str, str]
    """Hashes of the weight files that are on this machine, which need not be all."""
    limits: InputLimits


class _Made(BaseModel):
    """What of an earlier manifest tells whether it will do."""

    options: dict[str, bool | int | float | str | None]
    preset: str
    inputs: dict[str, dict[str, str]]
    weights: dict[str, str]
    parts: list[object]
    stop_reason: str
    timings: dict[str, float]


def record_of(files: Mapping[str, bytes]) -> bytes:
    """What `RECORD` holds of these files."""
    return json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}).encode()


def finished(item: Item, options: GenerationOptions, *, output: Place, asked: Asked) -> Outcome | None:
    """What an earlier run left of this object; None unless it is complete and was made as it is asked for now.

    The same files, by name and by content, with the same options, preset and weights count as the same, and every file
    that was written must be there as it was written. All of them are read: that takes a small share of the time in
    which they were generated, and a date does not tell of every change.
    """
    folder = output.join(item.id)
    try:
        made = _Made.model_validate_json(folder.join(MANIFEST).read())
        record = _RECORD.validate_json(folder.join(RECORD).read())
    except (InputError, ValidationError):
        return None
    wanted = {name: value for name, value in options.model_dump().items() if name not in _WITHOUT_EFFECT}
    given = {name: value for name, value in made.options.items() if name not in _WITHOUT_EFFECT}
    if given != wanted or made.preset != asked.preset:
        return None
    if any(made.weights.get(network, sha256) != sha256 for network, sha256 in asked.weights.items()):
        return None
    if made.inputs != _entries(item, asked.limits) or not _is_whole(folder, record):
        return None
    return Outcome(
        id=item.id,
        status="succeeded",
        parts=len(made.parts),
        stop_reason=made.stop_reason,
        seconds=round(sum(made.timings.values()), 3),
    )


def _is_whole(folder: Place, record: Mapping[str, str]) -> bool:
    try:
        return MANIFEST in record and all(
            hashlib.sha256(folder.join(name).read()).hexdigest() == sha256 for name, sha256 in record.items()
        )
    except InputError:  # one of them is gone
        return False


def _entries(item: Item, limits: InputLimits) -> dict[str, dict[str, str]] | None:
    try:
        contents = item.contents(limits)
    except InputError:  # the run will tell of it
        return None
    return {kind: entry.model_dump() for kind, entry in item.entries(contents).items()}


def write_outcomes(outcomes: Iterable[Outcome], output: Place) -> None:
    """Both files, in order of id.

    Raises:
        OutputError: they cannot be written.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.id)
    folder = open_folder(output)
    folder.write(RESULTS, _parquet([outcome for outcome in ordered if outcome.succeeded]))
    folder.write(ERRORS, _parquet([outcome for outcome in ordered if not outcome.succeeded]))


def _parquet(outcomes: Sequence[Outcome]) -> bytes:
    sink = pa.BufferOutputStream()
    rows = [{name: _storable(value) for name, value in asdict(outcome).items()} for outcome in outcomes]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _storable(value: object) -> object:
    """Text in letters that Parquet takes; a message may quote others."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
