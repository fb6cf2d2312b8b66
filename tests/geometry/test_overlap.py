import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import set_overlap, solid, surface_cells
from support.objects import as_mesh, ball, block

from apg_core.geometry.parts.overlap import SurfaceCells, overlap, share_near
from apg_core.protocol.mesh import TriangleMesh


def triples(cells: SurfaceCells) -> set[tuple[int, int, int]]:
    rest, z = np.divmod(cells.numbers, cells.grid_size)
    return set(zip((rest // cells.grid_size).tolist(), (rest % cells.grid_size).tolist(), z.tolist(), strict=True))


@given(seed=st.integers(0, 10_000), grid_size=st.sampled_from([16, 33, 64]))
@settings(max_examples=25, derandomize=True)
def test_no_cell_with_a_point_of_the_surface_is_missed_and_none_is_far_from_it(seed: int, grid_size: int) -> None:
    random = np.random.default_rng(seed)
    mesh = TriangleMesh(random.uniform(-0.99, 0.99, (12, 3)), random.integers(0, 12, (5, 3)))
    mesh = TriangleMesh(mesh.vertices, mesh.faces[solid(mesh).area_faces > 1e-3])
    if mesh.is_empty:
        return
    found = triples(SurfaceCells.of(mesh, grid_size))
    assert surface_cells(mesh, grid_size) <= found
    centres = (np.array(sorted(found)) + 0.5) / grid_size * 2 - 1
    away = np.linalg.norm(trimesh.proximity.closest_point(solid(mesh), centres)[0] - centres, axis=1)
    assert away.max() <= np.sqrt(3) / grid_size + 1e-9


def test_a_thin_slab_inside_one_layer_of_cells_has_exactly_that_layer() -> None:
    cells = SurfaceCells.of(block((1.9, 0.01, 1.9), (0, 0.06, 0)), 16)
    assert triples(cells) == {(x, 8, z) for x in range(16) for z in range(16)}


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.1, 0.5, 1.5])
def test_overlap_is_that_of_sets_of_triples(shift: float) -> None:
    one, other = ball(0.4, (-0.3, 0, 0)), ball(0.3, (-0.3 + shift, 0.05, 0))
    cells = [SurfaceCells.of(mesh, 64) for mesh in (one, other)]
    assert overlap(*cells) == set_overlap(*[triples(some) for some in cells])
    assert overlap(*cells) == pytest.approx(set_overlap(surface_cells(one, 64), surface_cells(other, 64)), abs=0.05)


def test_a_mesh_overlaps_itself_wholly_and_nothing_not_at_all() -> None:
    cells, none = SurfaceCells.of(ball(0.5), 64), SurfaceCells.empty(64)
    assert overlap(cells, cells) == 1
    assert overlap(cells, none) == overlap(none, cells) == overlap(none, none) == 0


def test_finer_triangles_have_the_same_cells() -> None:
    coarse = trimesh.creation.box((1.2, 0.7, 0.4), trimesh.transformations.rotation_matrix(0.7, [1, 2, 3]))
    fine = coarse.subdivide().subdivide().subdivide()
    one, other = (triples(SurfaceCells.of(as_mesh(mesh), 64)) for mesh in (coarse, fine))
    assert len(one ^ other) <= 0.002 * len(one)


def test_union_has_the_cells_of_both_in_order() -> None:
    one, other = SurfaceCells.of(ball(0.4), 32), SurfaceCells.of(block((1, 1, 1)), 32)
    both = one.union(other)
    assert triples(both) == triples(one) | triples(other)
    assert (np.diff(both.numbers) > 0).all()


def test_what_lies_outside_the_cube_counts_in_the_nearest_cells() -> None:
    cells = triples(SurfaceCells.of(block((2.02, 2.02, 2.02)), 16))
    assert cells == {cell for cell in np.ndindex(16, 16, 16) if min(cell) == 0 or max(cell) == 15}


def test_near_are_cells_that_touch_on_a_grid_of_at_most_64() -> None:
    wall, none = block((1.9, 0.01, 1.9), (0, 0.05, 0)), SurfaceCells.empty(64)
    cells, fine = SurfaceCells.of(wall, 64), SurfaceCells.of(wall, 256)
    beside = [SurfaceCells.of(block((1.9, 0.01, 1.9), (0, 0.05 + away / 32, 0)), 64) for away in (1, 2)]
    half = SurfaceCells.of(block((0.95, 0.01, 1.9), (-0.475, 0.05, 0)), 64)
    assert share_near(cells, beside[0]) == share_near(cells, cells) == share_near(fine, cells) == 1
    assert share_near(cells, beside[1]) == share_near(cells, none) == share_near(none, cells) == 0
    assert share_near(half, cells) == 1
    columns = {x for x, _, _ in triples(cells)}
    reached = {x for x, _, _ in triples(half)}
    assert share_near(cells, half) == pytest.approx((len(reached) + 1) / len(columns))
