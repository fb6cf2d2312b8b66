"""Which inputs a job has; without NumPy, for clients."""

from typing import Literal

Mode = Literal["image", "mesh", "image_mesh", "image_mask", "image_mesh_mask"]
