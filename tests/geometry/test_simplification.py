import importlib.util

import numpy as np
import pytest
from reference import solid
from support.fields import sphere
from support.objects import ball

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts import simplification
from apg_core.geometry.parts.simplification import SIMPLIFIERS, simplify
from apg_core.protocol.mesh import TriangleMesh


@pytest.mark.parametrize("package", SIMPLIFIERS)
def test_every_simplifier_comes_near_the_target_and_keeps_the_shape(package: str, monkeypatch) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.setattr(simplification, "SIMPLIFIERS", {package: SIMPLIFIERS[package]})
    mesh = ball(0.5, subdivisions=5)
    reduced, note = simplify(mesh, 2000, aggressiveness=1.0)
    assert len(reduced.faces) == pytest.approx(2000, rel=0.05)
    assert solid(reduced).is_watertight
    assert solid(reduced).volume == pytest.approx(solid(mesh).volume, rel=0.01)
    assert note == f"simplified from {len(mesh.faces)} to {len(reduced.faces)} faces"


def test_the_first_simplifier_that_is_installed_serves(monkeypatch) -> None:
    empty = TriangleMesh.empty()
    table = {"no_such_package": None, "numpy": lambda mesh, target, push: empty, "scipy": None}
    monkeypatch.setattr(simplification, "SIMPLIFIERS", table)
    assert simplify(ball(0.5), 10, aggressiveness=1.0)[0] is empty


def test_without_a_simplifier_the_mesh_stays_and_a_warning_says_what_to_install(monkeypatch, caplog) -> None:
    monkeypatch.setattr(simplification, "SIMPLIFIERS", {"no_such_package": None})
    mesh = ball(0.5)
    kept, note = simplify(mesh, 10, aggressiveness=1.0)
    assert kept is mesh
    assert "install fast-simplification" in note
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_simplification_leaves_a_closed_surface_closed_even_short_of_the_target() -> None:
    def wavy(points: np.ndarray) -> np.ndarray:
        ripples = np.sin(31 * points[:, 0]) * np.sin(29 * points[:, 1]) * np.sin(37 * points[:, 2])
        return sphere(0.5)(points) + 0.03 * ripples

    mesh = extract_surface(narrow_band(wavy, Grid(96)))
    reduced, _ = simplify(mesh, 300, aggressiveness=1.0)
    assert solid(reduced).is_watertight
    assert len(reduced.faces) < len(mesh.faces)
