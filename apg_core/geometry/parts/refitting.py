"""A partition of which some parts are taken apart again: their region is divided anew, and nothing else moves."""

from collections.abc import Sequence
from dataclasses import dataclass

from manifold3d import Manifold

from apg_core.geometry.parts.fitting import Fitted, Fitting, cut_solid
from apg_core.geometry.parts.partition import Partition, measured
from apg_core.geometry.parts.solids import GivenSolid, given_solid, united_parts
from apg_core.protocol.mesh import TriangleMesh


@dataclass(frozen=True, eq=False)
class Reopened:
    """Parts of a given mesh, as they were cut from it: those whose region may be divided anew, and those that stay."""

    given: TriangleMesh
    region: Sequence[TriangleMesh]
    kept: Sequence[TriangleMesh]


def fit_reopened(parts: Sequence[TriangleMesh], reopened: Reopened, fitting: Fitting) -> Fitted:
    """The region, cut into these parts, and how the given mesh is divided then: first the kept ones' rows, then theirs.

    Without parts, only the kept ones are measured. A part that gets the whole of a region of one mesh is that mesh.
    """
    whole = given_solid(reopened.given, fitting.grid)
    if whole is None:
        return Fitted((), (), 0.0, Partition.nothing())
    if not parts:
        return Fitted((), (), 1.0, measured(reopened.kept, whole))
    original = Manifold.reserve_ids(1)
    body = united_parts(reopened.region, original)
    if body is None:
        return Fitted((), (), 0.0, Partition.nothing())
    cut = cut_solid(GivenSolid(body, original, whole.exact), parts, fitting)
    meshes = cut.meshes
    if len(reopened.region) == 1 and sum(not mesh.is_empty for mesh in meshes) == 1:
        meshes = tuple(mesh if mesh.is_empty else reopened.region[0] for mesh in meshes)
    return Fitted(meshes, cut.remainder, cut.enclosed, measured([*reopened.kept, *meshes], whole))
