"""Batches of objects: frame, part order, surfaces and pictures."""

import numpy as np
import pytest
import torch

from training.objects.batch import assemble, sample_surface, union_distance
from training.objects.draw import draw_objects
from training.objects.families import TRAINED
from training.objects.kept_out import KEPT_OUT
from training.objects.render import Cameras, random_colours, render
from training.objects.sketch import ball, box

EVERY_FAMILY = TRAINED | KEPT_OUT


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_a_family_gives_normalised_objects_of_two_to_eight_parts(name: str, generator: torch.Generator) -> None:
    objects, _ = draw_objects({name: EVERY_FAMILY[name]}, 16, rng=np.random.default_rng(1))
    surface = sample_surface(objects, objects.kind >= 0, count=512, generator=generator)
    reach = surface[..., :3].abs().amax((1, 2))
    assert objects.part_counts.min() >= 2
    assert objects.part_counts.max() <= 8
    assert reach.max() < 1.001
    assert reach.min() > 0.9


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_clean_surfaces_lie_on_the_union_and_normals_point_out(name: str, generator: torch.Generator) -> None:
    objects, _ = draw_objects({name: EVERY_FAMILY[name]}, 16, rng=np.random.default_rng(2))
    chosen = objects.kind >= 0
    surface = sample_surface(objects, chosen, count=512, generator=generator)
    points, normals = surface.split(3, dim=-1)
    assert union_distance(objects, points, chosen).abs().max() < 1e-3
    step = union_distance(objects, points + 0.01 * normals, chosen)
    # Steps out of one part may end in its neighbour.
    assert (step > 0.005).float().mean() > 0.9


def test_overlaid_surfaces_keep_inner_faces(generator: torch.Generator) -> None:
    objects = assemble([[[ball((0, 0, 0), 0.5)], [ball((0.3, 0, 0), 0.5)]]], [0.0])
    chosen = objects.kind >= 0
    surface = sample_surface(objects, chosen, count=4000, generator=generator, overlaid=torch.ones(1, dtype=torch.bool))
    inside = (union_distance(objects, surface[..., :3], chosen) < -1e-3).float().mean()
    # Each sphere hides a cap of height r - d/2 = 0.35 of 1.0: 35 % of its area.
    assert float(inside) == pytest.approx(0.35, abs=0.03)


def test_points_of_a_sphere_are_uniform(generator: torch.Generator) -> None:
    objects = assemble([[[ball((0, 0, 0), 1.0)]]], [0.0])
    surface = sample_surface(objects, objects.kind >= 0, count=20_000, generator=generator)
    # Archimedes: the height of uniform points on a sphere is uniform.
    heights = surface[0, :, 1].sort().values
    torch.testing.assert_close(heights, torch.linspace(-1, 1, 20_000), atol=0.03, rtol=0)


def test_parts_come_bottom_first_then_left_first() -> None:
    parts = [
        [box((0, 1, 0), (1, 0.1, 0.4))],
        [box((0.8, 0.5, 0.2), (0.1, 0.5, 0.1))],
        [box((-0.8, 0.5, 0), (0.1, 0.5, 0.1))],
    ]
    objects = assemble([parts], [0.0])
    assert objects.part[0].tolist() == [2, 1, 0]


def test_the_same_seed_draws_the_same_objects() -> None:
    first, names = draw_objects(TRAINED, 8, rng=np.random.default_rng(3))
    second, again = draw_objects(TRAINED, 8, rng=np.random.default_rng(3))
    assert names == again
    torch.testing.assert_close(first.center, second.center)


def test_a_picture_shows_right_as_right_and_fills_its_frame(generator: torch.Generator) -> None:
    objects = assemble([[[ball((-0.5, 0, 0), 0.3)], [ball((0.5, 0.2, 0), 0.3)]]], [0.0])
    level = torch.zeros(1)
    cameras = Cameras(azimuth=level, elevation=level, distance=level + 4)
    pictures = render(
        objects, cameras, random_colours(objects, rng=np.random.default_rng(0)), size=96, generator=generator
    )
    seen = pictures.part[0]
    left, right = (seen == 0).nonzero().float().mean(0), (seen == 1).nonzero().float().mean(0)
    assert left[1] < right[1]  # columns grow to the right
    assert left[0] > right[0]  # rows grow downwards, and the right ball is higher
    columns = (seen >= 0).any(0).nonzero()
    assert (columns.max() - columns.min() + 1) / 96 == pytest.approx(1 / 1.2, abs=0.03)
    assert (pictures.rgb[0][seen < 0] == 255).all()
