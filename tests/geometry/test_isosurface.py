import importlib.util
import math

import numpy as np
import pytest
from reference import solid, symmetric_chamfer
from support.fields import PROFILES, ellipsoid, shapes, sphere, torus, union
from support.objects import ball

from apg_core import GenerationOptions, generate_from_mesh, load_pipeline
from apg_core.cli import main
from apg_core.errors import BackendMissingError, OptionError
from apg_core.geometry import isosurface
from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band, narrow_band_in_box
from apg_core.geometry.isosurface import extract_surface
from apg_core.protocol.backends import ISOSURFACE_BACKENDS

ON_CPU = ["libigl", "skimage"]
IN_THE_TABLE = dict(ISOSURFACE_BACKENDS)
TOY = "tests.support.toy_backend"


@pytest.mark.parametrize("backend", ON_CPU)
def test_sphere_is_closed_faces_outward_and_is_where_it_should_be(backend) -> None:
    grid = Grid(64)
    mesh = extract_surface(narrow_band(sphere(0.5), grid), backend=backend)
    assert solid(mesh).is_watertight
    assert solid(mesh).volume == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.01)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.5).max() < 0.1 * grid.spacing


@pytest.mark.parametrize("backend", ON_CPU)
def test_clamped_torus_has_one_hole_and_its_volume(backend) -> None:
    mesh = solid(extract_surface(narrow_band(PROFILES["clamped"](torus(0.45, 0.16)), Grid(96)), backend=backend))
    assert mesh.is_watertight
    assert mesh.euler_number == 0
    assert mesh.volume == pytest.approx(2 * math.pi**2 * 0.45 * 0.16**2, rel=0.01)


@pytest.mark.parametrize("shape", list(shapes(1.0)))
def test_backends_on_the_cpu_agree(shape: str) -> None:
    grid = Grid(64)
    band = narrow_band(shapes(grid.spacing)[shape], grid)
    one, other = (extract_surface(band, backend=backend) for backend in ON_CPU)
    assert symmetric_chamfer(one, other) < 0.1 * grid.spacing


@pytest.mark.parametrize("seed", range(3))
def test_surface_of_noise_is_closed(seed: int) -> None:
    random = np.random.default_rng(seed)
    grid = Grid(24)
    mesh = extract_surface(narrow_band(lambda points: random.normal(size=len(points)), grid, coarse=32))
    assert solid(mesh).is_watertight
    assert solid(mesh).volume > 0


def test_cropping_leaves_out_nothing_but_points_outside() -> None:
    band = narrow_band(sphere(0.3, (0.4, -0.2, 0.1)), Grid(64))
    (cropped, first), (full, _) = band.dense(), band.dense(crop=False)
    inside = tuple(slice(low, low + size) for low, size in zip(first, cropped.shape, strict=True))
    np.testing.assert_array_equal(full[inside], cropped)
    full[inside] = -1
    assert full.max() < 0


@pytest.mark.parametrize("backend", ON_CPU)
def test_a_band_in_a_box_has_finer_voxels_where_the_surface_is(backend: str) -> None:
    half, centre = np.array([0.11, 0.05, 0.2]), np.array([0.4, -0.3, 0.1])
    field = ellipsoid(half, centre)
    errors, extents = [], []
    for find in (narrow_band, narrow_band_in_box):
        mesh = extract_surface(find(field, Grid(64)), backend=backend)
        assert solid(mesh).is_watertight
        errors.append(np.abs(np.linalg.norm((mesh.vertices - centre) / half, axis=1) - 1).max())
        extents.append(solid(mesh).volume / (4 / 3 * np.pi * half.prod()))
    assert errors[1] < errors[0] / 20
    assert extents[1] == pytest.approx(1, abs=0.003)


def test_a_box_holds_all_of_a_surface_in_pieces() -> None:
    field = union(sphere(0.2, (-0.6, 0, 0)), sphere(0.1, (0.7, 0.5, -0.2)))
    mesh = extract_surface(narrow_band_in_box(field, Grid(64)))
    assert solid(mesh).body_count == 2
    np.testing.assert_allclose(mesh.bounds, [[-0.8, -0.2, -0.3], [0.8, 0.6, 0.2]], atol=0.005)


def test_a_box_of_nothing_is_empty() -> None:
    assert narrow_band_in_box(lambda points: -np.ones(len(points)), Grid(32)).is_empty


def test_a_backend_is_a_line_of_the_table_from_the_option_to_the_files(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(ISOSURFACE_BACKENDS, "toy", TOY)
    options = GenerationOptions(
        isosurface_backend="toy", grid_size=16, max_parts=1, num_inference_steps=1, preview=False, postprocess=False
    )
    assert GenerationOptions.model_json_schema()["properties"]["isosurface_backend"]["enum"][-1] == "toy"
    made = generate_from_mesh(load_pipeline("nano"), ball(0.5), options=options, output_dir=tmp_path)
    assert made.manifest.options["isosurface_backend"] == "toy"
    (part,) = made.parts
    cells = len(part.mesh.faces) // 12
    assert cells > 0
    assert solid(part.mesh).body_count == cells
    assert solid(part.mesh).volume == pytest.approx(cells * Grid(16).spacing ** 3, rel=1e-4)
    assert (tmp_path / "mesh_000.glb").is_file()


def test_the_table_has_what_the_command_line_takes(monkeypatch, capsys) -> None:
    monkeypatch.setitem(ISOSURFACE_BACKENDS, "toy", TOY)
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    assert "{auto,diso,libigl,skimage,toy}" in capsys.readouterr().out
    with pytest.raises(OptionError, match="'libigl', 'skimage' or 'toy', got 'toi'"):
        GenerationOptions(isosurface_backend="toi")


def test_auto_is_the_first_of_the_table_that_can_run(monkeypatch) -> None:
    band = narrow_band(sphere(0.5), Grid(16))
    tables = [{"toy": TOY, "libigl": IN_THE_TABLE["libigl"]}, {"libigl": IN_THE_TABLE["libigl"], "toy": TOY}]
    for table in tables:
        monkeypatch.setattr(isosurface, "ISOSURFACE_BACKENDS", table)
        found = extract_surface(band, backend="auto")
        np.testing.assert_array_equal(found.vertices, extract_surface(band, backend=next(iter(table))).vertices)
    monkeypatch.setattr("tests.support.toy_backend.lacks", lambda: "is broken")
    monkeypatch.setattr(isosurface, "ISOSURFACE_BACKENDS", {"toy": TOY})
    with pytest.raises(BackendMissingError, match="no iso-surface backend can run here: toy is broken"):
        extract_surface(band)


@pytest.mark.skipif(importlib.util.find_spec("diso") is not None, reason="diso is installed")
def test_asking_for_an_absent_diso_says_how_to_install_it() -> None:
    with pytest.raises(BackendMissingError, match="pip install --no-build-isolation diso"):
        extract_surface(narrow_band(sphere(0.5), Grid(32)), backend="diso")


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("diso") is None, reason="diso is not installed")
def test_diso_gives_the_same_sphere() -> None:
    grid = Grid(128)
    mesh = extract_surface(narrow_band(sphere(0.5), grid), backend="diso")
    assert solid(mesh).is_watertight
    assert solid(mesh).volume == pytest.approx(4 / 3 * math.pi * 0.5**3, rel=0.01)
