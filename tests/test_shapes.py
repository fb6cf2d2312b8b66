"""Shapes are checked while tests run, in every room of the library."""

import importlib
import pkgutil

import numpy as np
import pytest
from jaxtyping import TypeCheckError

import apg_core
from apg_core import TriangleMesh
from apg_core.geometry.solid import nearest_face

MODULES = sorted(found.name for found in pkgutil.walk_packages(apg_core.__path__, "apg_core."))


def test_every_module_of_the_library_is_checked() -> None:
    loaders = {name: importlib.import_module(name).__spec__.loader for name in MODULES}
    assert "apg_core.geometry.band.lattice" in loaders
    assert [name for name, loader in loaders.items() if not type(loader).__module__.startswith("jaxtyping")] == []


def test_an_array_of_another_shape_or_kind_is_an_error() -> None:
    assert nearest_face(TriangleMesh.empty(), np.zeros((4, 3)))[0].shape == (4,)
    for wrong in (np.zeros((4, 2)), np.zeros(3), np.zeros((4, 3), int)):
        with pytest.raises(TypeCheckError, match="places"):
            nearest_face(TriangleMesh.empty(), wrong)
