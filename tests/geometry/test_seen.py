"""Pieces of a solid that a picture shows, and parts cut by it."""

import numpy as np
import pytest

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.fitting import Fitting, fit_parts
from apg_core.geometry.parts.seen import pixels_seen
from apg_core.geometry.parts.solids import solid_of
from apg_core.geometry.rays import ray_scene
from apg_core.geometry.solid import enclosed
from apg_core.geometry.values import RegionPicture
from apg_core.geometry.view import View
from apg_core.protocol.mesh import TriangleMesh
from tests.support.objects import ball, block, union

SEAT = block((1.2, 0.15, 1.0), (0, 0, 0))
BACK = block((1.2, 0.8, 0.15), (0, 0.475, -0.425))
LEG = block((0.3, 0.6, 0.3), (0.35, -0.375, 0.3))
BODIES = (SEAT, BACK, LEG)
SIZE = 120


def picture_of(bodies: tuple[TriangleMesh, ...], turn: float, rise: float) -> RegionPicture:
    """The bodies from there, with a margin; each pixel shows the body that its ray meets first."""
    joined = TriangleMesh.joined(list(bodies))
    view = View.of(joined.vertices.astype(float), np.radians(turn), np.radians(rise))
    box = view.high - view.low
    pixels = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1).reshape(-1, 2) + 0.5) / SIZE
    shares = pixels * 1.2 * box.max() / box - 0.1
    directions = view.rays(shares)
    face = ray_scene(joined).first(np.broadcast_to(view.eye, directions.shape), directions).face.astype(int)
    owner = np.repeat(np.arange(len(bodies)), [len(body.faces) for body in bodies])
    inside = (face >= 0) & (face < len(owner))
    part = np.where(inside, owner[np.where(inside, face, 0)], -1).reshape(SIZE, SIZE)
    return RegionPicture(shown=part >= 0, part=part)


@pytest.mark.parametrize(("turn", "rise"), [(0, 10), (30, 20), (-45, 5)])
def test_each_body_shows_its_own_region(turn: float, rise: float) -> None:
    solids = [solid for body in BODIES if (solid := solid_of(body)) is not None]
    seen = pixels_seen(solids, picture_of(BODIES, turn, rise), parts=3)
    assert seen is not None
    assert (np.diag(seen) > 0.97 * seen.sum(axis=1)).all()
    assert np.diag(seen).min() > 50


def test_a_picture_of_something_else_says_nothing() -> None:
    solids = [solid for body in BODIES if (solid := solid_of(body)) is not None]
    assert pixels_seen(solids, picture_of((ball(0.5),), 0, 0), parts=3) is None
    nothing = np.zeros((SIZE, SIZE), bool)
    assert pixels_seen(solids, RegionPicture(nothing, np.full((SIZE, SIZE), -1)), parts=3) is None


def test_a_mesh_is_cut_by_what_the_picture_shows_wherever_parts_were_sampled() -> None:
    misplaced = [ball(0.3), ball(0.2), ball(0.25)]
    fitting = Fitting(Grid(64), at_edges=True, further=0)
    fitted = fit_parts(misplaced, union(*BODIES), fitting, picture_of(BODIES, 30, 20))
    assert fitted.partition.unclaimed == pytest.approx(0, abs=1e-6)
    grid = Grid(48)
    for mesh, body in zip(fitted.meshes, BODIES, strict=True):
        own = enclosed(body, grid)
        # Where two bodies meet, either may have what is in line with both.
        assert np.count_nonzero(own & enclosed(mesh, grid)) > 0.7 * np.count_nonzero(own)


def test_what_the_picture_does_not_show_goes_with_what_it_is_likely_to_be_of() -> None:
    hidden = block((0.3, 0.6, 0.3), (0.0, 0.5, -0.65))  # behind the back
    bodies = (*BODIES, hidden)
    picture = picture_of(bodies, 0, 5)
    assert not (picture.part == 3).any()
    fitted = fit_parts([ball(0.3)] * 3, union(*bodies), Fitting(Grid(64), at_edges=True, further=0), picture)
    assert fitted.partition.unclaimed == pytest.approx(0, abs=1e-6)
    assert fitted.meshes[1].bounds[0, 2] == pytest.approx(hidden.bounds[0, 2], abs=1e-5)
