"""libigl's marching cubes: visits the band's cells only, so its cost grows with the surface, not with the volume."""

import igl
import numpy as np

from apg_core.geometry.band.lattice import NarrowBand
from apg_core.geometry.isosurface import positive_outside
from apg_core.protocol.mesh import TriangleMesh

# libigl goes around the lower face of a cell, then around the upper one; `CORNERS` counts x, y, z in binary.
_AROUND_THE_FACES = [0, 4, 6, 2, 1, 5, 7, 3]


def lacks() -> str | None:
    """Nothing: this project requires libigl."""
    return None


def extract(band: NarrowBand) -> TriangleMesh:
    """See `Backend.extract`."""
    places = band.grid.indices(band.corners).astype(np.float64)
    cells = band.corner_rows()[:, _AROUND_THE_FACES]
    vertices, faces, _ = igl.marching_cubes(positive_outside(band.values).astype(np.float64), places, cells, 0.0)
    return TriangleMesh(vertices, faces.astype(np.int32))
