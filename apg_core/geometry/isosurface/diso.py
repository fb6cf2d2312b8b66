"""diso's dual marching cubes, on a full block on a GPU."""

import functools
import importlib.util
from typing import TYPE_CHECKING

from apg_core.geometry.band.lattice import NarrowBand
from apg_core.geometry.isosurface import positive_outside
from apg_core.protocol.mesh import TriangleMesh

if TYPE_CHECKING:
    import torch


def lacks() -> str | None:
    """diso itself, or a GPU."""
    if importlib.util.find_spec("diso") is None:
        return (
            "is not installed; where torch, a C++ compiler and CUDA's nvcc are (its licence is CC BY-NC 4.0): "
            "pip install setuptools && pip install --no-build-isolation diso==0.1.4; or choose auto"
        )
    import torch

    if not torch.cuda.is_available():
        return "needs a CUDA device, and none is visible here; choose auto"
    return None


def extract(band: NarrowBand) -> TriangleMesh:
    """See `Backend.extract`."""
    import torch

    block, first = band.dense()
    distance = torch.from_numpy(positive_outside(block)).cuda()
    vertices, faces = _extractor()(distance, normalize=False)
    return TriangleMesh(vertices.detach().cpu().numpy() + first, faces.cpu().numpy())


@functools.cache
def _extractor() -> "torch.nn.Module":
    import diso
    import torch

    extractor: torch.nn.Module = diso.DiffDMC(dtype=torch.float32).cuda()
    return extractor
