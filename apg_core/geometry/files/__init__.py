"""Meshes as files, one format a module; the same meshes give the same bytes.

A format's module has `write(stem, model)`, which gives the files of a model by their names; `protocol/formats.py` lists
the formats.
"""

import importlib
import importlib.util

from apg_core.errors import BackendMissingError
from apg_core.geometry.files.model import Model
from apg_core.protocol.formats import MESH_FORMATS


def lack_of(formats: str) -> str | None:
    """What keeps the first of these formats, with commas, that cannot be written here from being; None if all can."""
    for name in formats.split(","):
        package, extra = MESH_FORMATS[name].package, MESH_FORMATS[name].extra
        if package is not None and importlib.util.find_spec(package) is None:
            return f"{name} needs a package that is not installed: pip install 'autopartgen-ray[{extra}]'"
    return None


def check_formats(formats: str) -> None:
    """Refuse formats that cannot be written here.

    Raises:
        BackendMissingError: says which one, and what it needs.
    """
    if (lack := lack_of(formats)) is not None:
        raise BackendMissingError(f"formats: {lack}", field="formats")


def write_model(name: str, stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The files of a model in the format of this name."""
    files: list[tuple[str, bytes]] = importlib.import_module(MESH_FORMATS[name].module).write(stem, model)
    return files
