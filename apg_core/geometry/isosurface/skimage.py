"""scikit-image's marching cubes (Lewiner et al. 2003), on a full block."""

import numpy as np
from skimage.measure import marching_cubes

from apg_core.geometry.band.lattice import NarrowBand
from apg_core.geometry.isosurface import positive_outside
from apg_core.protocol.mesh import TriangleMesh


def lacks() -> str | None:
    """Nothing: this project requires scikit-image."""
    return None


def extract(band: NarrowBand) -> TriangleMesh:
    """See `Backend.extract`."""
    block, first = band.dense()
    visited = np.zeros(block.shape, bool)
    # skimage looks a cell's mask up at its highest corner.
    visited[tuple((band.grid.indices(band.cells) - first + 1).T)] = True
    vertices, faces, _, _ = marching_cubes(positive_outside(block), 0.0, mask=visited)
    return TriangleMesh(vertices + first, faces)
