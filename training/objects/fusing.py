"""Parts fused into one surface (boolean union), as a scanned or generated mesh has it: no inner faces, no cuts."""

from collections.abc import Sequence

from manifold3d import Manifold, OpType

from apg_core.geometry.parts.solids import mesh_of, solid_of
from apg_core.protocol.mesh import TriangleMesh


def fused(parts: Sequence[TriangleMesh]) -> TriangleMesh:
    """The union of all closed parts as one surface, with open parts laid over it as they are."""
    solids = [solid_of(part) for part in parts]
    closed = [solid for solid in solids if solid is not None]
    union = [mesh_of(Manifold.batch_boolean(closed, OpType.Add))] if closed else []
    return TriangleMesh.joined([*union, *(part for part, solid in zip(parts, solids, strict=True) if solid is None)])
