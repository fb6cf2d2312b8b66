"""Meshes: what is known of their faces comes along."""

import numpy as np

from apg_core.geometry.parts.cleanup import drop_floaters, smooth
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.packing import pack_mesh, unpack_mesh
from tests.support.objects import block


def _traced(first: int, *, size: float = 1.0) -> TriangleMesh:
    mesh = block((size, size, size))
    return TriangleMesh(mesh.vertices, mesh.faces, np.arange(first, first + len(mesh.faces)))


def test_sources_of_joined_meshes_follow_each_other() -> None:
    joined = TriangleMesh.joined([_traced(0), _traced(50)])
    assert joined.source is not None
    assert joined.source.tolist() == [*range(12), *range(50, 62)]


def test_joined_meshes_have_no_source_where_one_of_them_has_none() -> None:
    plain = _traced(0)
    assert TriangleMesh.joined([_traced(0), TriangleMesh(plain.vertices, plain.faces)]).source is None


def test_a_packed_mesh_has_its_source_again_or_none() -> None:
    traced = _traced(7)
    again = unpack_mesh(pack_mesh(traced)).source
    assert again is not None and again.tolist() == list(range(7, 19))
    assert unpack_mesh(pack_mesh(TriangleMesh(traced.vertices, traced.faces))).source is None


def test_dropping_floaters_and_smoothing_keep_the_source_of_the_faces_that_stay() -> None:
    small = _traced(12, size=0.01)
    mesh = TriangleMesh.joined([_traced(0), TriangleMesh(small.vertices + 3, small.faces, small.source)])
    kept = drop_floaters(smooth(mesh, 1), 0.01)
    assert kept.source is not None
    assert kept.source.tolist() == list(range(12))
