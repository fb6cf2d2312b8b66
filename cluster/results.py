"""How each object of a batch ended: one row each, in `results.parquet` or `errors.parquet`, and what a rerun skips."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from apg_core.errors import InputError
from apg_core.inputs import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.items import Item
from cluster.storage import Place, open_folder
from cluster.work import Work

RESULTS, ERRORS, MANIFEST = "results.parquet", "errors.parquet", "manifest.json"
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


def finished(
    item: Item, options: GenerationOptions, *, output: Place, preset: str, limits: InputLimits
) -> Outcome | None:
    """What an earlier run left of this object; None unless it is complete and was made as it is asked for now.

    The same files, by name and by content, with the same options and preset count as the same. The files are read:
    that takes a small share of the time in which they were generated, and a date does not tell of every change.
    """
    try:
        manifest = json.loads(output.join(item.id).join(MANIFEST).read())
    except (InputError, json.JSONDecodeError):
        return None
    asked = {name: value for name, value in options.model_dump().items() if name not in _WITHOUT_EFFECT}
    made = {name: value for name, value in manifest["options"].items() if name not in _WITHOUT_EFFECT}
    if made != asked or manifest["preset"] != preset or manifest["inputs"] != _entries(item, limits):
        return None
    return Outcome(
        id=item.id,
        status="succeeded",
        parts=len(manifest["parts"]),
        stop_reason=manifest["stop_reason"],
        seconds=round(sum(manifest["timings"].values()), 3),
    )


def _entries(item: Item, limits: InputLimits) -> dict[str, dict[str, str]] | None:
    try:
        contents = {kind: place.read(limits, field=kind) for kind, place in item.files.items()}
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
    pq.write_table(pa.Table.from_pylist([asdict(outcome) for outcome in outcomes], schema=SCHEMA), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
