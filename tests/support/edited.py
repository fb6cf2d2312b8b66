"""What edits of a generation are compared by."""

import hashlib
from pathlib import Path

from apg_core.pipeline.local import Generation


def files(folder: Path) -> dict[str, str]:
    """Hash of each part's file."""
    names = sorted(path for path in folder.glob("*.glb") if path.name != "mesh_combined.glb")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def indices(made: Generation) -> list[int]:
    """Indices of its parts, in their order."""
    return [part.index for part in made.manifest.parts]
