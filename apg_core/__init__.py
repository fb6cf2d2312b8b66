"""AutoPartGen: one object in, its parts out. The library; it knows neither Ray nor HTTP.

The public names are imported when they are first asked for: options, prompts and errors need no torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apg_core.errors import ApgError
    from apg_core.pipeline.local import (
        Generation,
        generate_from_image,
        generate_from_image_and_mask,
        generate_from_image_and_mesh,
        generate_from_mesh,
        generate_parts,
    )
    from apg_core.pipeline.local_edit import edit
    from apg_core.pipeline.local_stages import Pipeline, load_pipeline
    from apg_core.protocol.edit import Continue, Merge, Pick, Remove, Rename, Reorder, Resample, Split
    from apg_core.protocol.mesh import TriangleMesh
    from apg_core.protocol.options import DEFAULT_CONFIG, GenerationOptions
    from apg_core.protocol.prompt import Prompt
    from apg_core.sandbox.suggestion import suggest_mask

__all__ = [
    "DEFAULT_CONFIG",
    "ApgError",
    "Continue",
    "Generation",
    "GenerationOptions",
    "Merge",
    "Pick",
    "Pipeline",
    "Prompt",
    "Remove",
    "Rename",
    "Reorder",
    "Resample",
    "Split",
    "TriangleMesh",
    "edit",
    "generate_from_image",
    "generate_from_image_and_mask",
    "generate_from_image_and_mesh",
    "generate_from_mesh",
    "generate_parts",
    "load_pipeline",
    "suggest_mask",
]

_HOMES = {
    "apg_core.errors": ("ApgError",),
    "apg_core.protocol.edit": ("Continue", "Merge", "Pick", "Remove", "Rename", "Reorder", "Resample", "Split"),
    "apg_core.protocol.mesh": ("TriangleMesh",),
    "apg_core.protocol.options": ("DEFAULT_CONFIG", "GenerationOptions"),
    "apg_core.protocol.prompt": ("Prompt",),
    "apg_core.sandbox.suggestion": ("suggest_mask",),
    "apg_core.pipeline.local_edit": ("edit",),
    "apg_core.pipeline.local_stages": ("Pipeline", "load_pipeline"),
    "apg_core.pipeline.local": (
        "Generation",
        "generate_from_image",
        "generate_from_image_and_mask",
        "generate_from_image_and_mesh",
        "generate_from_mesh",
        "generate_parts",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """A public name, from the module that it lives in."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(_HOME_OF[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != __name__:
            raise
        raise ImportError(f"{name} is not in the client alone; install autopartgen-ray", name=__name__) from error
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
