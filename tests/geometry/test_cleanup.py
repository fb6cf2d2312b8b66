import numpy as np
import pytest
import trimesh
from reference import solid
from support.fields import sphere, torus
from support.objects import ball, block, table

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.band.narrowing import narrow_band
from apg_core.geometry.isosurface import extract_surface
from apg_core.geometry.parts.cleanup import clean_part, connected_scene, drop_floaters, smooth
from apg_core.geometry.parts.simplification import _is_closed
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions


@pytest.mark.parametrize("target", [8000, 1500])
@pytest.mark.parametrize("field", [sphere(0.5), torus(0.45, 0.16)])
def test_simplified_part_is_near_the_target_closed_and_of_the_same_volume(field, target: int) -> None:
    mesh = extract_surface(narrow_band(field, Grid(96)))
    cleaned = clean_part(mesh, CleanupOptions(simplify_faces=target))
    assert len(cleaned.mesh.faces) == pytest.approx(target, rel=0.05)
    assert solid(cleaned.mesh).is_watertight
    assert solid(cleaned.mesh).volume == pytest.approx(solid(mesh).volume, rel=0.01)
    assert cleaned.notes == (f"simplified from {len(mesh.faces)} to {len(cleaned.mesh.faces)} faces",)


def test_small_part_without_floaters_is_left_as_it_is() -> None:
    mesh = ball(0.5)
    cleaned = clean_part(mesh, CleanupOptions())
    assert cleaned.mesh is mesh
    assert cleaned.notes == ()


def test_postprocess_off_changes_nothing() -> None:
    mesh = TriangleMesh.joined([ball(0.5), ball(0.01, (0.9, 0, 0))])
    assert clean_part(mesh, CleanupOptions(postprocess=False, simplify_faces=10)).mesh is mesh


def test_components_under_one_percent_of_the_area_are_dropped() -> None:
    kept = [ball(0.5), ball(0.052, (0.9, 0, 0))]
    mesh = TriangleMesh.joined([kept[0], ball(0.045, (-0.9, 0, 0)), kept[1]])
    dropped = drop_floaters(mesh, 0.01)
    assert solid(dropped).body_count == 2
    np.testing.assert_allclose(dropped.bounds, TriangleMesh.joined(kept).bounds)
    assert solid(dropped).is_watertight


def test_dust_is_never_dropped_altogether() -> None:
    places = [(x, y, z) for x in np.linspace(-0.9, 0.9, 5) for y in np.linspace(-0.9, 0.9, 5) for z in (-0.9, 0, 0.9)]
    dust = TriangleMesh.joined([ball(0.02 + 1e-5 * i, place, subdivisions=1) for i, place in enumerate(places * 2)])
    assert not drop_floaters(dust, 0.01).is_empty


def test_taubin_smoothing_keeps_volume_and_takes_noise_away() -> None:
    smoothed_to = ball(0.5, subdivisions=4)
    noise = np.random.default_rng(0).normal(scale=0.005, size=smoothed_to.vertices.shape).astype(np.float32)
    rough = TriangleMesh(smoothed_to.vertices + noise, smoothed_to.faces)
    after = smooth(rough, 10)
    assert solid(after).volume == pytest.approx(solid(rough).volume, rel=0.02)
    spread = [np.linalg.norm(mesh.vertices, axis=1).std() for mesh in (rough, after)]
    assert spread[1] < 0.5 * spread[0]


@pytest.mark.parametrize("gap", [-0.02, 0.0, 0.0009])
def test_scene_cleanup_keeps_what_touches_through_others(gap: float) -> None:
    parts = [*table(gap=gap), block((0.2, 0.1, 0.2), (0.8, -0.4 - gap, 0.4))]
    assert [mesh.is_empty for mesh in connected_scene(parts)] == [False] * 6


def test_scene_cleanup_drops_what_touches_nothing() -> None:
    top, *legs = table(gap=0.01)
    stray = TriangleMesh.joined([block((0.5, 0.5, 0.5), (0, 0.7, 0)), ball(0.1, (0, -0.8, 0))])
    kept = connected_scene([top, *legs, stray])
    assert [mesh.is_empty for mesh in kept] == [False, True, True, True, True, False]
    assert kept[0] is top
    assert solid(kept[-1]).body_count == 1


def test_scene_cleanup_counts_pieces_of_the_first_mesh_as_connected() -> None:
    first = TriangleMesh.joined([ball(0.2, (-0.6, 0, 0)), ball(0.2, (0.6, 0, 0))])
    kept = connected_scene([first, ball(0.2, (0.6, 0.39, 0)), TriangleMesh.empty()])
    assert [mesh.is_empty for mesh in kept] == [False, False, True]
    assert connected_scene([]) == []


@pytest.mark.parametrize(
    ("change", "closed"),
    [
        (lambda faces: faces, True),
        (lambda faces: faces[1:], False),
        (lambda faces: np.concatenate([faces, faces[:1]]), False),
        (lambda faces: np.concatenate([faces, faces]), False),
        (lambda faces: np.concatenate([faces, faces + faces.max() + 1]), True),
    ],
)
def test_a_mesh_is_closed_where_trimesh_says_so(change, closed: bool) -> None:
    sphere = trimesh.creation.icosphere(2)
    vertices = np.concatenate([sphere.vertices, sphere.vertices]).astype(np.float32)
    mesh = TriangleMesh(vertices, change(sphere.faces).astype(np.int32))
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).is_watertight == closed
    assert _is_closed(mesh) == closed
