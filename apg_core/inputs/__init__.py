"""Untrusted files into the values of the protocol; every refusal is an `InputError` that says why."""

from apg_core.inputs.image import check_image, read_image
from apg_core.inputs.mask import check_mask, read_mask
from apg_core.inputs.mesh import check_mesh, read_mesh, read_parts

__all__ = [
    "check_image",
    "check_mask",
    "check_mesh",
    "read_image",
    "read_mask",
    "read_mesh",
    "read_parts",
]
