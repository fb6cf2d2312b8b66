"""Objects whose parts are meshes: families of solids, real ones, and what is made of them."""

import numpy as np
import pytest
import torch
import trimesh

from apg_core.geometry.parts.solids import solid_of
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block
from training.baselines import BASELINES
from training.evaluate import interval
from training.objects.catalogue import CATALOGUE, MOST_PARTS
from training.objects.fusing import fused
from training.objects.meshed import MeshedObject, picture, signed_distance, surface_of
from training.objects.real import KEPT, is_kept
from training.objects.render import Cameras
from training.objects.source import Source


def test_there_are_sixty_families_and_more() -> None:
    assert len(CATALOGUE) - sum(name.startswith("composed") for name in CATALOGUE) >= 60


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_family_makes_closed_parts_that_fuse(name: str) -> None:
    rng = np.random.default_rng(sum(name.encode()))
    parts = CATALOGUE[name](rng)
    assert 2 <= len(parts) <= MOST_PARTS
    assert all(solid_of(part) is not None for part in parts)
    whole = MeshedObject.of(parts).whole
    assert solid_of(whole) is not None
    assert np.abs(whole.vertices).max() == pytest.approx(1.0)


def test_fusing_takes_inner_faces_away_and_keeps_open_parts() -> None:
    sheet = TriangleMesh(np.array([[-1, 0, -1], [1, 0, -1], [0, 0, 1.0]]), np.array([[0, 1, 2]]))
    union = fused([block((1, 1, 1)), block((1, 1, 1), (0.5, 0, 0))])
    assert trimesh.Trimesh(union.vertices, union.faces).area == pytest.approx(2 + 4 * 1.5)
    assert len(fused([block((1, 1, 1)), sheet]).faces) == 13


def test_distances_and_surfaces_agree() -> None:
    parts = [ball(0.4, (-0.5, 0, 0)), block((0.5, 0.5, 0.5), (0.5, 0, 0))]
    surface = surface_of(TriangleMesh.joined(parts), 500, rng=np.random.default_rng(0))
    assert np.abs(signed_distance(parts, surface[:, :3])).max() < 1e-5
    np.testing.assert_allclose(np.linalg.norm(surface[:, 3:], axis=1), 1, atol=1e-5)
    assert signed_distance(parts, np.array([[0.5, 0.0, 0.0]]))[0] == pytest.approx(-0.25)


def test_moving_keeps_parts_closed_outward_and_bottom_first() -> None:
    made = MeshedObject.of([block((1, 0.2, 1), (0, 1, 0)), block((0.2, 2, 0.2))])
    mirrored = made.moved(np.diag([-1.0, 2.0, 1.0]))
    assert [part.bounds[0, 1] for part in mirrored.parts] == sorted(part.bounds[0, 1] for part in mirrored.parts)
    assert all(trimesh.Trimesh(part.vertices, part.faces).volume > 0 for part in mirrored.parts)


def test_a_picture_shows_the_part_in_front() -> None:
    parts = [block((0.5, 0.5, 0.1), (0, 0, 0.5)), block((1, 1, 0.1), (0, 0, -0.5))]
    cameras = Cameras(azimuth=torch.zeros(1), elevation=torch.zeros(1), distance=torch.full((1,), 4.0))
    rgb, seen = picture(parts, cameras, 0, np.array([[1.0, 0, 0], [0, 0, 1.0]]), size=32)
    assert (seen[16, 16], seen[0, 0]) == (0, -1)
    assert (seen == 1).any()
    assert rgb[16, 16, 0] > rgb[16, 16, 2]
    assert (rgb[0, 0] == 255).all()


def test_relatives_are_on_one_side_of_the_split() -> None:
    assert is_kept("quat_door2")
    assert is_kept("furniture_chair_0115")
    assert not is_kept("kaykit_chair_a")
    assert all(is_kept(f"{pack}_{stem}_x") for pack, stems in KEPT.items() for stem in stems)


def test_a_source_of_families_draws_objects_that_fill_the_cube() -> None:
    source = Source([], CATALOGUE)
    rng = np.random.default_rng(1)
    for _ in range(5):
        drawn = source.draw(rng, turned=0.5)
        assert np.abs(drawn.whole.vertices).max() == pytest.approx(1.0)


def test_baselines_of_two_balls() -> None:
    mesh = TriangleMesh.joined([ball(0.3, (-0.5, 0, 0)), ball(0.3, (0.5, 0, 0))])
    assert len(BASELINES["whole"](mesh)) == 1
    assert len(BASELINES["components"](mesh)) == 2


def test_coacd_cuts_a_tee_in_a_process_of_its_own() -> None:
    pytest.importorskip("coacd")
    tee = fused([block((1.6, 0.2, 0.2), (0, 0.4, 0)), block((0.2, 0.8, 0.2), (0, -0.05, 0))])
    assert len(BASELINES["coacd_0.1"](tee)) == 2


def test_an_interval_holds_the_mean_and_shrinks_with_more_objects() -> None:
    few, many = interval([0.0, 1.0] * 5), interval([0.0, 1.0] * 500)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
