"""A picture's colours find their way onto the object that it shows."""

import numpy as np
import pytest
import trimesh
from support.objects import ball, block

from apg_core.geometry.picture.raycast import cast_picture
from apg_core.geometry.projection import picture_looks
from apg_core.geometry.rays import ray_scene
from apg_core.geometry.view import find_view, outline_of
from apg_core.protocol.mesh import TriangleMesh

RED, GREEN, BLUE = (220, 40, 30, 255), (30, 170, 60, 255), (40, 60, 210, 255)


def chair() -> list[TriangleMesh]:
    """A seat, a back and a ball on it, in small triangles: an outline that tells from where it is seen."""
    seat, back = block((1.2, 0.9, 1.2), (0, -0.45, 0)), block((1.2, 1.0, 0.2), (0, 0.5, -0.5))
    parts = [seat, back, ball(0.25, (0.3, 0.25, 0.2))]
    fine = [trimesh.remesh.subdivide_to_size(part.vertices, part.faces, 0.15) for part in parts]
    return [TriangleMesh(np.asarray(vertices, np.float32), np.asarray(faces, np.int32)) for vertices, faces in fine]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """From 30 degrees to the right and 20 above, which is where previews are seen from."""
    drawn = cast_picture(chair(), [RED, GREEN, BLUE], size=160)
    coloured = np.ptp(drawn, axis=-1) > 0.15  # not the floor's shadow
    return np.where(coloured[..., None], np.round(255 * drawn), 255).astype(np.uint8)


def test_the_view_is_found(picture: np.ndarray) -> None:
    joined = TriangleMesh.joined(chair())
    view, _ = find_view(joined.vertices, outline_of(ray_scene(joined)), (picture < 245).any(axis=-1))
    x, y, z = view.axes[2]
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(30, abs=5)
    assert np.degrees(np.arcsin(y)) == pytest.approx(20, abs=5)


def test_each_part_has_the_picture_s_colours_on_all_sides(picture: np.ndarray) -> None:
    looks = picture_looks(chair(), picture)
    assert looks is not None
    for channel, (mesh, look) in enumerate(zip(chair(), looks, strict=True)):
        assert look.colours is not None
        assert look.colours.shape == (len(mesh.faces), 3, 4)
        strongest = look.colours[..., :3].argmax(axis=-1)
        assert (strongest == channel).mean() > 0.6


def test_a_picture_of_nothing_gives_no_looks() -> None:
    assert picture_looks(chair(), np.full((8, 8, 3), 255, np.uint8)) is None
