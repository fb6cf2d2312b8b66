"""Fewer faces, the same shape: quadric simplification by the first library of a table that is installed."""

import importlib.util
import logging
from collections.abc import Callable

import numpy as np

from apg_core.protocol.mesh import TriangleMesh

log = logging.getLogger(__name__)

# A gentle push may stop far above the target: then the next harder one is tried, up to the library's own default,
# as long as a closed surface stays closed.
HARDER_PUSHES, ENOUGH = (3.0, 5.0, 7.0), 1.05


def simplify(mesh: TriangleMesh, target: int, *, aggressiveness: float) -> tuple[TriangleMesh, str]:
    """The mesh with about `target` faces, and a note on what happened; unchanged where there is no library for it.

    `aggressiveness` is fast-simplification's own measure, which the other libraries do not have.
    """
    for package, reduce in SIMPLIFIERS.items():
        if importlib.util.find_spec(package) is not None:
            reduced = reduce(mesh, target, aggressiveness)
            return reduced, f"simplified from {len(mesh.faces)} to {len(reduced.faces)} faces"
    log.warning("no simplifier installed; install fast-simplification")
    return mesh, f"left at {len(mesh.faces)} faces: no simplifier installed, install fast-simplification"


def _fast_simplification(mesh: TriangleMesh, target: int, aggressiveness: float) -> TriangleMesh:
    import fast_simplification

    closed, reduced = _is_closed(mesh), mesh
    for push in (aggressiveness, *(level for level in HARDER_PUSHES if level > aggressiveness)):
        vertices, faces = fast_simplification.simplify(
            mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), target_count=target, agg=push
        )
        pushed = TriangleMesh(vertices, faces)
        if closed and not _is_closed(pushed):
            break
        reduced = pushed
        if len(faces) <= target * ENOUGH:
            break
    return reduced


def _is_closed(mesh: TriangleMesh) -> bool:
    """Whether each edge belongs to two faces."""
    ends = mesh.faces.T.astype(np.int64)
    others = ends[[1, 2, 0]]
    edges = np.sort((np.minimum(ends, others) * len(mesh.vertices) + np.maximum(ends, others)).reshape(-1))
    pairs = edges[: len(edges) // 2 * 2].reshape(-1, 2)
    return len(edges) % 2 == 0 and bool((pairs[:, 0] == pairs[:, 1]).all() and (np.diff(pairs[:, 0]) > 0).all())


def _pymeshlab(mesh: TriangleMesh, target: int, _aggressiveness: float) -> TriangleMesh:
    import pymeshlab

    scene = pymeshlab.MeshSet()
    scene.add_mesh(pymeshlab.Mesh(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32)))
    scene.meshing_decimation_quadric_edge_collapse(targetfacenum=target, preservetopology=True)
    reduced = scene.current_mesh()
    return TriangleMesh(reduced.vertex_matrix().astype(np.float32), reduced.face_matrix().astype(np.int32))


def _open3d(mesh: TriangleMesh, target: int, _aggressiveness: float) -> TriangleMesh:
    import open3d

    solid = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)),
        open3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    reduced = solid.simplify_quadric_decimation(target)
    return TriangleMesh(
        np.asarray(reduced.vertices, np.float32), np.asarray(reduced.triangles, np.int32).reshape(-1, 3)
    )


SIMPLIFIERS: dict[str, Callable[[TriangleMesh, int, float], TriangleMesh]] = {
    "fast_simplification": _fast_simplification,
    "pymeshlab": _pymeshlab,
    "open3d": _open3d,
}
"""By the package that each one needs, in the order of preference. The first is a requirement of this project; the
others serve where it cannot be built."""
