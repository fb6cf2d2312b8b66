"""Reading a config file as a mapping: the file that it overrides, references between its keys, keys nobody reads."""

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel

from apg_core.errors import PresetError

OVERRIDDEN = "__default__"
_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_KEY = re.compile(r"\w+(\.\w+)*")

Content = dict[str, object]


def read_config(path: Path) -> tuple[Content, frozenset[str]]:
    """The file's keys over those of the file that its `__default__` names, with every `${section.key}` replaced.

    Also the names of the keys that were put in so, which count as read.

    `__default__` is a path: absolute, or relative to the folder of the file that has it, then to the working
    directory.

    Raises:
        PresetError: a file is missing or no YAML mapping, files override each other in a circle, or a reference
            names no key.
    """
    content = _layered(path, ())
    references = _References(content, path)
    resolved = {key: references.resolved(value) for key, value in content.items()}
    return resolved, frozenset(references.referred)


def unread_keys(
    content: Mapping[str, object], section: type, *, referred: Collection[str] = (), name: str = ""
) -> Iterator[str]:
    """A sentence for each key that `section` (a pydantic model or a dataclass) has no field for, however deep.

    Keys that are `referred` to, or have such a key in them, are read for another's sake.
    """
    fields = _fields(section)
    for key, value in content.items():
        full = f"{name}{key}"
        if key not in fields:
            if any(f"{one}.".startswith(f"{full}.") for one in referred):
                continue
            close = difflib.get_close_matches(str(key), fields, n=1)
            yield f"nothing reads {full}" + (f"; did you mean {name}{close[0]}?" if close else "")
        elif isinstance(value, Mapping) and (below := fields[key]) is not None:
            yield from unread_keys(value, below, referred=referred, name=f"{full}.")


def _layered(path: Path, above: tuple[Path, ...]) -> Content:
    if path in above:
        raise PresetError(f"{path}: {OVERRIDDEN} leads back to the file itself")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PresetError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict):
        raise PresetError(f"{path} is not a preset: expected a mapping of sections, got {type(content).__name__}")
    named = content.pop(OVERRIDDEN, None)
    if named is None:
        return content
    if not isinstance(named, str):
        raise PresetError(f"{path}: {OVERRIDDEN} must be the path of one file, got {named!r}")
    places = [(folder / Path(named).expanduser()).resolve() for folder in (path.parent, Path.cwd())]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise PresetError(f"{path}: {OVERRIDDEN} names {named}, which is not at {' or '.join(map(str, places))}")
    return _over(_layered(found, (*above, path)), content)


def _over(below: Content, above: Content) -> Content:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


class _References:
    """The references of one file's content, and the names of those that were followed."""

    def __init__(self, content: Content, path: Path) -> None:
        self._content = content
        self._path = path
        self.referred: set[str] = set()

    def resolved(self, value: object, within: tuple[str, ...] = ()) -> object:
        """The value, each reference in it replaced by what it names; `within` are those that led here."""
        if isinstance(value, dict):
            return {key: self.resolved(item, within) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item, within) for item in value]
        if not isinstance(value, str):
            return value
        if (whole := _REFERENCE.fullmatch(value)) is not None:
            return self._named(whole[1], within)  # keeps its type
        return _REFERENCE.sub(lambda match: str(self._named(match[1], within)), value)

    def _named(self, name: str, within: tuple[str, ...]) -> object:
        if name in within:
            raise PresetError(f"{self._path}: ${{{name}}} refers to itself")
        self.referred.add(name)
        return self.resolved(self._look_up(name), (*within, name))

    def _look_up(self, name: str) -> object:
        if _KEY.fullmatch(name) is None:
            raise PresetError(
                f"{self._path}: ${{{name}}} cannot be honoured; only ${{section.key}} is, a key of this file"
            )
        found: object = self._content
        for key in name.split("."):
            if not isinstance(found, dict) or key not in found:
                raise PresetError(f"{self._path}: ${{{name}}} names no key of this file")
            found = found[key]
        return found


def _fields(section: type) -> dict[str, type | None]:
    """Each field's name, with the section that its value is, where it is one."""
    if issubclass(section, BaseModel):
        return {name: _section_in(field.annotation) for name, field in section.model_fields.items()}
    assert dataclasses.is_dataclass(section)
    return {field.name: _section_in(field.type) for field in dataclasses.fields(section)}


def _section_in(annotation: object) -> type | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
            return kind
    return None
