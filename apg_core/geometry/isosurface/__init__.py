"""From a narrow band to a mesh: the zero level as triangles. A module for each library that can do it."""

import importlib
from typing import Protocol, cast

import numpy as np
from jaxtyping import Float

from apg_core.errors import BackendMissingError
from apg_core.geometry.band.lattice import NarrowBand
from apg_core.protocol.backends import AUTO, ISOSURFACE_BACKENDS
from apg_core.protocol.mesh import TriangleMesh


class Backend(Protocol):
    """What the module of a backend has."""

    def lacks(self) -> str | None:
        """What keeps this backend from running here; None where it can run."""
        ...

    def extract(self, band: NarrowBand) -> TriangleMesh:
        """The zero level of a band that is not empty: vertices in lattice indices, faces outward.

        The field is positive inside. A backend that works on a full block takes `band.dense()`.
        """
        ...


def extract_surface(band: NarrowBand, *, backend: str = AUTO) -> TriangleMesh:
    """The zero level of the field: closed, faces outward, in the frame of the band's box.

    `backend` is a name of `ISOSURFACE_BACKENDS`, or `auto`: the first of them that can run here.

    Raises:
        BackendMissingError: the backend that was asked for cannot run here; the message says what it lacks.
    """
    if band.is_empty:
        return TriangleMesh.empty()
    found = _first_that_runs() if backend == AUTO else _backend(backend)
    mesh = found.extract(band)
    return TriangleMesh(band.place(mesh.vertices).astype(np.float32), mesh.faces.astype(np.int32))


def positive_outside(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The field as the libraries expect it: like a distance, negative inside."""
    return -values


def lack_of(backend: str) -> str | None:
    """What keeps this backend from running here; None where it can run, and for `auto`."""
    return None if backend == AUTO else _module(backend).lacks()


def _first_that_runs() -> Backend:
    lacks = {}
    for name in ISOSURFACE_BACKENDS:
        found = _module(name)
        missing = found.lacks()
        if missing is None:
            return found
        lacks[name] = missing
    reasons = "; ".join(f"{name} {missing}" for name, missing in lacks.items())
    raise BackendMissingError(f"no iso-surface backend can run here: {reasons}", field="isosurface_backend")


def _backend(name: str) -> Backend:
    found = _module(name)
    if (missing := found.lacks()) is not None:
        raise BackendMissingError(f"isosurface_backend is {name}, which {missing}", field="isosurface_backend")
    return found


def _module(name: str) -> Backend:
    return cast(Backend, importlib.import_module(ISOSURFACE_BACKENDS[name]))
