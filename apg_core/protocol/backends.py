"""The iso-surface backends by name: what the option of that name takes, and the module that each one is in.

A module is imported when its backend is first asked for, so the names cost nothing. It has two functions, those of
`apg_core.geometry.isosurface.Backend`. A new backend is a module and a line here.
"""

AUTO = "auto"

ISOSURFACE_BACKENDS: dict[str, str] = {
    "diso": "apg_core.geometry.isosurface.diso",
    "libigl": "apg_core.geometry.isosurface.libigl",
    "skimage": "apg_core.geometry.isosurface.skimage",
}
"""In the order of preference: `auto` is the first that can run."""


def isosurface_choices() -> tuple[str, ...]:
    """Every value that the option takes."""
    return AUTO, *ISOSURFACE_BACKENDS
