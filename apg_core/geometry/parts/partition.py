"""How well parts tile the solid that they were cut from, measured on the meshes as they are written."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from manifold3d import Error, Manifold, Mesh64, OpType
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from apg_core.geometry.parts.cleanup import face_components, keep_faces
from apg_core.geometry.parts.solids import ROUNDING, SPECK, GivenSolid, signed_volume, unaligned, volumes_beneath
from apg_core.geometry.values import Partition
from apg_core.protocol.mesh import TriangleMesh


def written(solid: GivenSolid, body: Manifold) -> TriangleMesh:
    """A part of the solid as it is written, in float32; a closed surface stays one.

    Edges that lose their length are collapsed, and dust where cuts met again is left out. Places where a surface
    touches itself stay apart, as they were.
    """
    mesh = _without_dust(solid.surface(body))
    assert mesh.source is not None
    rounded = TriangleMesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32), mesh.source.astype(np.int32))
    collapsed = _without_short_edges(rounded)
    return collapsed if _accepted(collapsed) else rounded


def _without_dust(mesh: TriangleMesh) -> TriangleMesh:
    """The closed surfaces of a part that enclose more than rounding does, or are hollows that are more than specks."""
    label = face_components(mesh)
    volumes = np.bincount(label, volumes_beneath(mesh))
    return keep_faces(mesh, ((volumes > ROUNDING * volumes.sum()) | (volumes < -SPECK))[label])


def _without_short_edges(mesh: TriangleMesh) -> TriangleMesh:
    """Edges between two corners at one place collapsed, and the faces beside them gone."""
    assert mesh.source is not None
    edges = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    short = edges[(mesh.vertices[edges[:, 0]] == mesh.vertices[edges[:, 1]]).all(axis=1)]
    if len(short) == 0:
        return mesh
    count = len(mesh.vertices)
    graph = coo_array((np.ones(len(short), bool), (short[:, 0], short[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    faces = label[mesh.faces].astype(np.int32)
    kept = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return TriangleMesh(mesh.vertices[first], faces[kept], mesh.source[kept])


def measured(meshes: Sequence[TriangleMesh], solid: GivenSolid) -> Partition:
    """How these parts tile the solid; what two of them share is measured as their intersection."""
    volume = solid.body.volume()
    volumes, shared = _volumes(meshes, [_body(mesh) for mesh in meshes])
    doubly = shared.sum() / 2
    claimed = volumes.sum() - doubly
    return _partition(solid.exact, volume, max(volume - claimed, 0.0), volumes, shared)


def measured_again(before: Sequence[TriangleMesh], after: Sequence[TriangleMesh], *, exact: bool) -> Partition:
    """How parts tile what they made up before they were changed; they may stick out of it now.

    `exact` is whether what is left of their outside is the given surface still.
    """
    solid = Manifold.batch_boolean([_body(mesh) for mesh in before], OpType.Add)
    bodies = [_body(mesh) for mesh in after]
    unclaimed = (solid - Manifold.batch_boolean(bodies, OpType.Add)).volume()
    return _partition(exact, solid.volume(), unclaimed, *_volumes(after, bodies))


def _volumes(
    meshes: Sequence[TriangleMesh], bodies: Sequence[Manifold]
) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, "S S"]]:
    """The volume of each mesh, and of what each two share, given them as solids, too."""
    # Of the faces themselves: the library may lose some where corners lie in one line.
    volumes = np.array([signed_volume(mesh) for mesh in meshes])
    shared = np.zeros((len(bodies), len(bodies)))
    boxes = [np.array(body.bounding_box()).reshape(2, 3) for body in bodies]
    for one, body in enumerate(bodies):
        for other in range(one):
            meet = (boxes[one][0] <= boxes[other][1]).all() and (boxes[other][0] <= boxes[one][1]).all()
            if meet and volumes[one] > 0 and volumes[other] > 0:
                shared[one, other] = shared[other, one] = max((body ^ bodies[other]).volume(), 0.0)
    return volumes, shared


def _partition(
    exact: bool, volume: float, unclaimed: float, volumes: Float[np.ndarray, " S"], shared: Float[np.ndarray, "S S"]
) -> Partition:
    return Partition(
        exact=exact,
        unclaimed=float(unclaimed / volume),
        doubly_claimed=float(shared.sum() / 2 / volume),
        shares=tuple((volumes / volume).tolist()),
        shared=tuple((shared.sum(axis=1) / np.maximum(volumes, 1e-12)).tolist()),
    )


def _accepted(mesh: TriangleMesh) -> bool:
    """Whether each edge has two faces, and the mesh is a solid."""
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, faces = np.unique(edges, axis=0, return_counts=True)
    return bool((faces == 2).all() and _body(mesh).status() == Error.NoError)


def _body(mesh: TriangleMesh) -> Manifold:
    if mesh.is_empty:
        return Manifold()
    # In double precision, though the numbers are single: the library's own single precision moves them about.
    apart = unaligned(replace(mesh, vertices=mesh.vertices.astype(np.float64)))
    return Manifold(Mesh64(apart.vertices, apart.faces.astype(np.uint64)))
