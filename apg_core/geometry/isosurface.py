"""From a narrow band to a mesh: the zero level as triangles, by one of three libraries."""

import functools
import importlib.util
from typing import TYPE_CHECKING

import igl
import numpy as np
from jaxtyping import Float
from skimage.measure import marching_cubes

from apg_core.errors import BackendMissingError
from apg_core.geometry.lattice import Grid, NarrowBand
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import IsosurfaceBackend

if TYPE_CHECKING:
    import torch

# libigl goes around the lower face of a cell, then around the upper one; `CORNERS` counts x, y, z in binary.
_AROUND_THE_FACES = [0, 4, 6, 2, 1, 5, 7, 3]


def extract_surface(band: NarrowBand, *, backend: IsosurfaceBackend = "auto", crop: bool = True) -> TriangleMesh:
    """The zero level of the field: closed, faces outward, in the frame of the band's grid.

    `libigl` (marching cubes) visits the band's cells only, so its cost grows with the surface; `skimage` (Lewiner's
    marching cubes) and `diso` (dual marching cubes, on a GPU) work on a full block, which `crop` shrinks to the
    band's box. `auto` is diso where it is installed and a GPU is there, else libigl.

    Raises:
        BackendMissingError: diso was asked for, and it or its GPU is missing.
    """
    if band.is_empty:
        return TriangleMesh.empty()
    if backend == "diso" and (missing := _diso_lacks()):
        raise BackendMissingError(missing, field="isosurface_backend")
    if backend == "diso" or (backend == "auto" and not _diso_lacks()):
        return _with_diso(band, crop=crop)
    return _with_skimage(band, crop=crop) if backend == "skimage" else _with_libigl(band)


def _with_libigl(band: NarrowBand) -> TriangleMesh:
    places = band.grid.indices(band.corners).astype(np.float64)
    cells = band.corner_rows()[:, _AROUND_THE_FACES]
    vertices, faces, _ = igl.marching_cubes(_positive_outside(band.values).astype(np.float64), places, cells, 0.0)
    return _in_frame(band.grid, vertices, faces)


def _with_skimage(band: NarrowBand, *, crop: bool) -> TriangleMesh:
    block, first = band.dense(crop=crop)
    visited = np.zeros(block.shape, bool)
    # skimage looks a cell's mask up at its highest corner.
    visited[tuple((band.grid.indices(band.cells) - first + 1).T)] = True
    vertices, faces, _, _ = marching_cubes(_positive_outside(block), 0.0, mask=visited)
    return _in_frame(band.grid, vertices + first, faces)


def _with_diso(band: NarrowBand, *, crop: bool) -> TriangleMesh:
    import torch

    block, first = band.dense(crop=crop)
    distance = torch.from_numpy(_positive_outside(block)).cuda()
    vertices, faces = _diso_extractor()(distance, normalize=False)
    return _in_frame(band.grid, vertices.detach().cpu().numpy() + first, faces.cpu().numpy())


@functools.cache
def _diso_extractor() -> "torch.nn.Module":
    import diso
    import torch

    extractor: torch.nn.Module = diso.DiffDMC(dtype=torch.float32).cuda()
    return extractor


def _diso_lacks() -> str | None:
    """What keeps diso from running here, and what to do about it."""
    if importlib.util.find_spec("diso") is None:
        return (
            "isosurface_backend is diso (CC BY-NC 4.0), which is not installed; where torch, a C++ compiler and CUDA's "
            "nvcc are: pip install --no-build-isolation diso==0.1.4; or choose auto"
        )
    import torch

    if not torch.cuda.is_available():
        return "isosurface_backend is diso, which needs a CUDA device, and none is visible here; choose auto"
    return None


def _positive_outside(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The field as extractors expect it: like a distance, negative inside."""
    return -values


def _in_frame(grid: Grid, places: np.ndarray, faces: np.ndarray) -> TriangleMesh:
    """A mesh in the grid's frame from vertices in lattice indices."""
    return TriangleMesh((grid.low + places * grid.spacing).astype(np.float32), faces.astype(np.int32))
