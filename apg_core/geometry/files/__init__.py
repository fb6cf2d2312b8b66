"""Meshes as files, one format a module; the same meshes give the same bytes.

A format's module has `write(stem, model)`, which gives the files of a model by their names; `protocol/formats.py` lists
the formats.
"""

import importlib

from apg_core.geometry.files.model import Model
from apg_core.protocol.formats import MESH_FORMATS


def write_model(name: str, stem: str, model: Model) -> list[tuple[str, bytes]]:
    """The files of a model in the format of this name."""
    files: list[tuple[str, bytes]] = importlib.import_module(MESH_FORMATS[name].module).write(stem, model)
    return files
