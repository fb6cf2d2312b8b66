"""An iso-surface backend in a few lines: every cell that the surface passes through becomes a cube."""

import numpy as np

from apg_core.geometry.band.lattice import CORNERS, NarrowBand
from apg_core.protocol.mesh import TriangleMesh

# Two triangles for each face of a cube, anticlockwise seen from outside, over `CORNERS`.
LOW = [[0, 1, 3], [0, 3, 2], [0, 4, 5], [0, 5, 1], [0, 2, 6], [0, 6, 4]]
HIGH = [[7, 5, 4], [7, 4, 6], [7, 2, 3], [7, 6, 2], [7, 1, 5], [7, 3, 1]]
CUBE = np.array([*LOW, *HIGH])


def lacks() -> str | None:
    return None


def extract(band: NarrowBand) -> TriangleMesh:
    corners = band.grid.indices(band.cells)[:, None] + CORNERS
    faces = 8 * np.arange(len(corners))[:, None, None] + CUBE
    return TriangleMesh(corners.reshape(-1, 3).astype(np.float64), faces.reshape(-1, 3))
