import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from support.objects import ball, block

from apg_core.geometry.rays import EmbreeScene, RayScene, TreeScene
from apg_core.protocol.mesh import TriangleMesh

SCENES = [
    pytest.param(
        EmbreeScene,
        marks=pytest.mark.skipif(importlib.util.find_spec("embreex") is None, reason="embreex is not installed"),
    ),
    TreeScene,
]


@pytest.fixture(params=SCENES)
def kind(request: pytest.FixtureRequest) -> type[EmbreeScene] | type[TreeScene]:
    return request.param


def toward_origin(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rays from a sphere of radius 3 to the origin, of unit length."""
    directions = np.random.default_rng(0).normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (-3 * directions).astype(np.float32), directions.astype(np.float32)


def test_the_first_hit_is_where_its_weights_and_its_distance_say(kind: type[RayScene]) -> None:
    mesh = TriangleMesh.joined([block((0.8, 0.6, 0.4)), ball(0.9)])
    origins, directions = toward_origin(500)
    hits = kind(mesh).first(origins, directions)
    assert (hits.face >= 12).all()  # the ball is around the block
    a, b, c = (mesh.vertices[mesh.faces[hits.face, corner]] for corner in range(3))
    u, v = hits.u[:, None], hits.v[:, None]
    on_face = (1 - u - v) * a + u * b + v * c
    np.testing.assert_allclose(on_face, origins + hits.distance[:, None] * directions, atol=1e-5)


def test_what_is_missed_is_no_face(kind: type[RayScene]) -> None:
    origins, directions = toward_origin(100)
    hits = kind(ball(0.5)).first(origins, -directions)
    assert (hits.face == -1).all()
    assert (hits.distance > 1e3).all()


def test_a_ray_is_blocked_within_its_reach_only(kind: type[RayScene]) -> None:
    scene = kind(block((1.0, 1.0, 1.0)))
    origins, along = np.array([[0.1, 0.2, -2.0]] * 2), np.array([[0, 0, 1.0], [0, 0, -1.0]])
    assert scene.blocked(origins, along).tolist() == [True, False]
    assert scene.blocked(origins, along, reach=1.6).tolist() == [True, False]
    assert scene.blocked(origins, along, reach=1.4).tolist() == [False, False]
    assert scene.blocked(origins, 2 * along, reach=1).tolist() == [True, False]


WITHOUT_EMBREE = """
import sys
sys.modules["embreex"] = None  # as on Linux on aarch64
import numpy as np
from apg_core.geometry.parts.contact import reached
from apg_core.geometry.picture.render import preview
from tests.support.objects import ball, block
pieces = [block((1, 1, 1)), ball(0.5, (0, 0.9, 0)), ball(0.2, (0, 3, 0))]
print(reached(pieces, [True, False, False], tolerance=0.01).tolist())
np.save(sys.argv[1], preview(pieces, [(200, 40, 40, 255)] * 3, size=96))
"""


def test_pictures_and_contacts_are_the_same_without_embree(tmp_path) -> None:
    shown = []
    for name, script in (("with", WITHOUT_EMBREE.replace('sys.modules["embreex"]', "_")), ("without", WITHOUT_EMBREE)):
        file = tmp_path / f"{name}.npy"
        ran = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "[True, True, False]"
        shown.append(np.load(file).astype(int))
    assert np.abs(shown[0] - shown[1]).mean() < 0.5
    assert (np.abs(shown[0] - shown[1]).max(axis=-1) > 16).mean() < 0.002
