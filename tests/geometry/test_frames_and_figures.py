import math

import numpy as np
import pytest
from reference import solid
from support.objects import ball, block

from apg_core.geometry.measure import measure
from apg_core.geometry.normalise import normalise
from apg_core.geometry.picture.colours import part_colour
from apg_core.protocol.mesh import TriangleMesh


def test_normalised_mesh_is_centred_with_its_longest_side_from_minus_one_to_one() -> None:
    mesh = block((3.0, 1.0, 0.5), (5.0, -2.0, 7.0))
    normal, placement = normalise(mesh)
    np.testing.assert_allclose(normal.bounds, [[-1, -1 / 3, -1 / 6], [1, 1 / 3, 1 / 6]], atol=1e-6)
    np.testing.assert_allclose(normal.vertices * placement.scale + placement.centre, mesh.vertices, atol=1e-5)


def test_measures_of_a_block_are_those_of_geometry() -> None:
    facts = measure(block((1.0, 0.5, 0.25)))
    assert (facts.faces, facts.vertices, facts.watertight) == (12, 8, True)
    assert facts.area == pytest.approx(2 * (0.5 + 0.25 + 0.125))
    assert facts.volume == pytest.approx(0.125)
    assert facts.bounds == ((-0.5, -0.25, -0.125), (0.5, 0.25, 0.125))


def test_an_open_mesh_is_not_watertight() -> None:
    mesh = ball(0.5)
    assert not measure(TriangleMesh(mesh.vertices, mesh.faces[1:])).watertight
    assert solid(mesh).volume == pytest.approx(4 / 3 * math.pi * 0.125, rel=0.02)


def test_colours_go_round_the_wheel_from_red() -> None:
    assert part_colour(0, 3) == (242, 73, 73, 255)
    assert part_colour(1, 3) == (73, 242, 73, 255)
    assert part_colour(2, 3) == (73, 73, 242, 255)
    assert len({part_colour(i, 40) for i in range(40)}) == 40
