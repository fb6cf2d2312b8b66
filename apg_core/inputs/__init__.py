"""Untrusted files into the values of the protocol; every refusal is an `InputError` that says why."""

from apg_core.inputs.image import read_image
from apg_core.inputs.limits import InputLimits
from apg_core.inputs.mask import read_mask
from apg_core.inputs.mesh import read_mesh, read_parts

__all__ = ["InputLimits", "read_image", "read_mask", "read_mesh", "read_parts"]
