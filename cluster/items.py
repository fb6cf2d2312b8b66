"""The items of a batch job: which image, mesh and mask belong together, and the item's own options.

They come from a folder's naming conventions or from a manifest (JSON lines or Parquet). An item that is wrong is
still an item: it carries its refusal, so that it ends as one row of errors.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from apg_core.errors import InputError, OptionError, PromptError
from apg_core.protocol.beside import packed
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.mode import INPUTS, InputEntry, InputName
from apg_core.protocol.options import GenerationOptions
from cluster.storage import Place

log = logging.getLogger(__name__)

MASK_ENDING = ".mask.png"
MANIFEST_ENDINGS = (".jsonl", ".ndjson", ".parquet")
COLUMNS = ("id", *INPUTS, "options")
TABLES = (RESULTS, ERRORS) = ("results.parquet", "errors.parquet")
LONGEST_ID = 200  # leaves room for a suffix within what file systems allow
_RULE = (
    f"cannot be a folder's name: no slash, no dot in front, printable, at most {LONGEST_ID} bytes of UTF-8, "
    f"none of {', '.join(TABLES)}"
)
Option = bool | int | float | str | None


@dataclass(frozen=True, kw_only=True)
class Item:
    """One object of the batch; its id is the name of its folder of results."""

    id: str
    files: Mapping[InputName, Place] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    refusal: InputError | None = None
    """Why it cannot be used, where that is known without opening its files."""

    def contents(self, limits: InputLimits) -> dict[InputName, bytes]:
        """What is in its files; a glTF that has buffers beside it becomes a zip of all of them.

        Raises:
            InputError: one of them cannot be read, or is too large.
        """
        return {kind: _content(place, kind, limits) for kind, place in self.files.items()}

    def entries(self, contents: Mapping[InputName, bytes]) -> dict[str, InputEntry]:
        """Its files as the manifest lists them, given what is in them."""
        return {
            kind: InputEntry(name=self.files[kind].name, sha256=hashlib.sha256(contents[kind]).hexdigest())
            for kind in INPUTS  # in this order, as the command line lists them
            if kind in self.files
        }

    def chosen_options(self) -> GenerationOptions:
        """Its own options.

        Raises:
            InputError: an option is wrong, or the item was refused already.
        """
        if self.refusal is not None:
            raise self.refusal
        return GenerationOptions(**self.options)  # type: ignore[arg-type]  # names and values are the user's


def _content(place: Place, kind: InputName, limits: InputLimits) -> bytes:
    content = place.read(limits, field=kind)
    ending = PurePath(place.name.lower()).suffix

    def beside(name: str) -> bytes:
        return place.parent.join(name).read(limits, field=kind)

    return packed(content, ending, beside, limits) or content


def find_items(source: Place) -> list[Item]:
    """The items of a folder or of a manifest, in order, ids unique but for those that are refused.

    Raises:
        InputError: the folder or the manifest itself cannot be read, or holds nothing.
    """
    items = list(_manifest_items(source)) if source.name.endswith(MANIFEST_ENDINGS) else _folder_items(source)
    if not items:
        raise PromptError(
            f"nothing to do in {source.address}; it needs files such as chair.png, chair.glb and chair.mask.png, "
            "folders such as chair/image.png, or a manifest (.jsonl or .parquet)"
        )
    return _without_twins(items)


def _folder_items(source: Place) -> list[Item]:
    files, folders = source.folder_names()
    found: dict[str, list[tuple[InputName, Place]]] = {}
    ignored: Counter[str] = Counter()
    for name in files:
        kind, stem = _kind_of(name)
        if kind is None:
            ignored[name.rpartition(".")[2]] += 1
        else:
            found.setdefault(stem, []).append((kind, source.join(name)))
    for name in folders:
        inside, _ = source.join(name).folder_names()
        for file in inside:
            kind, stem = _kind_of(file)
            kind = "mask" if file == "mask.png" else kind
            if kind is not None and stem in INPUTS:
                found.setdefault(name, []).append((kind, source.join(name).join(file)))
    if ignored:
        log.warning("files that are neither image, mesh nor mask are left out: %s", dict(ignored))
    return [_of_files(name, found[name]) for name in sorted(found)]


def _kind_of(name: str) -> tuple[InputName | None, str]:
    lower = name.lower()
    if lower.endswith(MASK_ENDING):
        return "mask", name[: -len(MASK_ENDING)]
    stem, dot, ending = name.rpartition(".")
    for kind, known in INPUTS.items():
        if f".{ending.lower()}" in known.endings:
            return kind, stem
    return None, stem if dot else name


def _of_files(name: str, files: Sequence[tuple[InputName, Place]]) -> Item:
    if not _is_folder_name(name):
        return Item(id=_plain(name), refusal=PromptError(f"the name {name!r} {_RULE}; rename it", field="id"))
    item = Item(id=name, files=dict(files))
    if len(item.files) < len(files):
        names = ", ".join(sorted(place.name for _, place in files))
        return replace(item, refusal=PromptError(f"{name} has more than one file of a kind: {names}; keep one of each"))
    return item


def _manifest_items(source: Place) -> Iterator[Item]:
    rows = _parquet_rows(source) if source.name.endswith(".parquet") else _json_rows(source)
    unknown: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if isinstance(row, InputError):
            yield Item(id=f"row-{number}", refusal=row)
            continue
        unknown |= row.keys() - set(COLUMNS)
        try:
            yield _of_row(row, source.parent)
        except InputError as error:
            given = row.get("id")
            yield Item(id=_plain(given) if isinstance(given, str) and given else f"row-{number}", refusal=error)
    if unknown:
        log.warning("columns that mean nothing here are left out: %s; known are %s", sorted(unknown), COLUMNS)


def _json_rows(source: Place) -> Iterator[Mapping[str, object] | InputError]:
    for number, line in enumerate(source.read().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield PromptError(f"line {number} of {source.name} is not JSON: {error}")
            continue
        yield row if isinstance(row, dict) else PromptError(f"line {number} of {source.name} is not a JSON object")


def _parquet_rows(source: Place) -> Iterator[Mapping[str, object] | InputError]:
    """The rows, a group at a time: a page that is damaged costs its group, which is one refusal."""
    try:
        file = pq.ParquetFile(pa.BufferReader(source.read()))
    except (pa.ArrowException, OSError) as error:
        raise PromptError(f"{source.address} is not Parquet: {error}") from error
    for group in range(file.num_row_groups):
        try:
            yield from file.read_row_group(group).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            lost = file.metadata.row_group(group).num_rows
            yield PromptError(f"row group {group} of {source.name} ({lost:,} rows) is damaged: {error}")


def _of_row(row: Mapping[str, object], folder: Place) -> Item:
    name = row.get("id")
    if not isinstance(name, str):
        raise PromptError(f"an item needs an id that is text, got {name!r}", field="id")
    if not _is_folder_name(name):
        raise PromptError(f"the id {name!r} {_RULE}", field="id")
    return Item(
        id=name,
        files={kind: place for kind in INPUTS if (place := _place(row, kind, folder)) is not None},
        options=_options(row.get("options")),
    )


def _place(row: Mapping[str, object], kind: InputName, folder: Place) -> Place | None:
    given = row.get(kind)
    if given is not None and not isinstance(given, str):
        raise PromptError(f"{kind} must be a path or a URI, got {given!r}", field=kind)
    if given and _plain(given) != given:
        raise PromptError(f"{kind} must be a path in UTF-8, got {given!r}", field=kind)
    return folder.join(given) if given else None


def _plain(name: str) -> str:
    """The name in letters that every file can hold."""
    return name.encode("utf-8", "backslashreplace").decode()


def _is_folder_name(name: str) -> bool:
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= LONGEST_ID
        and name not in TABLES
        and name.isprintable()
        and not name.startswith(".")
        and not {"/", "\\"} & set(name)
    )


def _options(given: object) -> dict[str, Option]:
    """The item's own options: an object, or an object written as JSON; nulls mean unset (Parquet fills them in)."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError) as error:
            raise OptionError(f"options are not JSON: {error}", field="options") from error
    if given is None:
        return {}
    if isinstance(given, list):  # a Parquet map
        try:
            given = dict(given)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"options must be an object such as {{'seed': 3}}, got {given!r}", field="options"
            ) from error
    if not isinstance(given, dict):
        raise OptionError(f"options must be an object such as {{'seed': 3}}, got {given!r}", field="options")
    return {str(name): value for name, value in given.items() if value is not None}


def _without_twins(items: Sequence[Item]) -> list[Item]:
    seen: set[str] = set()
    kept = []
    for item in items:
        if item.id in seen:
            refusal = PromptError(f"the id {item.id!r} is there more than once; give each object its own", field="id")
            item = replace(item, refusal=item.refusal or refusal)
        seen.add(item.id)
        kept.append(item)
    return kept
