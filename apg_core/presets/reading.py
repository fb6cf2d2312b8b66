"""Finding presets and config files, and reading them; no weights are touched."""

import logging
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from apg_core.diffusion.schedule import Schedule
from apg_core.errors import PresetError
from apg_core.presets.assembly import assemble
from apg_core.presets.config_file import Content, read_config, unread_keys
from apg_core.presets.preset import Preset
from apg_core.presets.sections import PresetFile
from apg_core.protocol.options import DEFAULT_PRESET as DEFAULT_PRESET

log = logging.getLogger(__name__)

PRESET_FILE = "preset.yaml"
HERE = Path(__file__).parent
NAMED_PROBLEMS = 5  # how many refused keys an error names


def list_presets() -> list[Preset]:
    """The presets that come with the library."""
    return [load_preset(folder.name) for folder in sorted(HERE.iterdir()) if (folder / PRESET_FILE).is_file()]


def load_preset(name_or_path: str | Path) -> Preset:
    """A preset by its name, or by the path of a folder with `preset.yaml` or of a published config file.

    Raises:
        PresetError: there is no such preset, or the file is not one.
    """
    path = _find(name_or_path).absolute()
    content, referred = read_config(path)
    file = _checked(content, path)
    unread = unread_keys(content, PresetFile, referred=referred)
    for sentence in (*unread, *_unread_variants(content, file.scheduler)):
        log.warning("%s: %s", path, sentence)
    name = path.parent.name if path.name == PRESET_FILE else path.stem
    ours = path.is_relative_to(HERE)
    roots = (path.parent,) if ours else (path.parent, *path.parent.parents)
    return assemble(file, name=name, reference=str(name_or_path), roots=roots)


def _checked(content: Content, path: Path) -> PresetFile:
    try:
        return PresetFile.model_validate(content)
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"])
            got = "" if problem["type"] in ("missing", "value_error") else f", got {problem['input']!r}"
            problems.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}{got}")
        more = f" and {len(problems) - NAMED_PROBLEMS} more" if len(problems) > NAMED_PROBLEMS else ""
        named = "; ".join(problems[:NAMED_PROBLEMS])
        raise PresetError(f"{path} is not a preset: {named}{more}") from None


def _unread_variants(content: Content, schedule: Schedule) -> Iterator[str]:
    given = content.get("scheduler")
    for key in schedule.unread:
        if isinstance(given, dict) and key in given:
            yield f"{schedule.class_name} does not read scheduler.{key}"


def _find(name_or_path: str | Path) -> Path:
    if (HERE / str(name_or_path) / PRESET_FILE).is_file():
        return HERE / str(name_or_path) / PRESET_FILE
    path = Path(name_or_path)
    if (path / PRESET_FILE).is_file():
        return path / PRESET_FILE
    if path.is_file():
        return path
    known = ", ".join(sorted(folder.name for folder in HERE.iterdir() if (folder / PRESET_FILE).is_file()))
    raise PresetError(f"no preset {str(name_or_path)!r}; take one of {known}, or the path of a config file")
