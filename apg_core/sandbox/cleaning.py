"""Inputs made ready when they are read, as the options ask."""

from dataclasses import replace

from apg_core.geometry.unseen import without_unseen
from apg_core.protocol.prompt import Prompt


def cleaned(prompt: Prompt) -> Prompt:
    """The prompt with its mesh as `clean_input` has it."""
    if prompt.mesh is None:
        return replace(prompt, notes=(*prompt.notes, "clean_input has no effect without a mesh"))
    cleared = without_unseen(prompt.mesh)
    return replace(prompt, mesh=cleared.mesh, notes=(*prompt.notes, *cleared.notes))
