"""A partition of which some parts are taken apart again: their region is divided anew, and nothing else moves."""

from collections.abc import Sequence
from dataclasses import replace

from manifold3d import Manifold, OpType

from apg_core.geometry.parts.fitting import Fitted, Fitting, cut_solid
from apg_core.geometry.parts.partition import measured
from apg_core.geometry.parts.solids import GivenSolid, given_solid, mesh_of, solid_of, united_parts
from apg_core.geometry.values import Partition, Reopened
from apg_core.protocol.mesh import TriangleMesh

REACHES = 0.15
"""A further part with this share of itself in another takes it from there; where none has so much, from one only."""
FREE = 1e-4
"""Share of the given mesh from which on what no part has is a place for further parts."""


def fit_reopened(parts: Sequence[TriangleMesh], reopened: Reopened, fitting: Fitting) -> Fitted:
    """The region, cut into these parts, and how the given mesh is divided then: first the kept ones' rows, then theirs.

    Without parts, only the kept ones are measured. A part that gets the whole of a region of one mesh is that mesh.
    Without a region, the meshes are those of the kept ones, too.
    """
    whole = given_solid(reopened.given, fitting.grid)
    if whole is None:
        return Fitted((), (), 0.0, Partition.nothing())
    if not parts:
        return Fitted((), (), 1.0, measured(reopened.kept, whole))
    if not reopened.region:
        return _fit_among(parts, reopened.kept, whole, replace(fitting, further=0))
    original = Manifold.reserve_ids(1)
    body = united_parts(reopened.region, original)
    if body is None:
        return Fitted((), (), 0.0, Partition.nothing())
    cut = cut_solid(GivenSolid(body, original, whole.exact), parts, fitting)
    meshes = cut.meshes
    if len(reopened.region) == 1 and sum(not mesh.is_empty for mesh in meshes) == 1:
        meshes = tuple(mesh if mesh.is_empty else reopened.region[0] for mesh in meshes)
    return Fitted(meshes, cut.remainder, cut.enclosed, measured([*reopened.kept, *meshes], whole))


def _fit_among(
    parts: Sequence[TriangleMesh], kept: Sequence[TriangleMesh], whole: GivenSolid, fitting: Fitting
) -> Fitted:
    """The kept parts, without what further ones take of them, and these; the others are the same meshes."""
    bodies = [united_parts([mesh], whole.original) for mesh in kept]
    wanted = [solid_of(mesh) for mesh in parts]
    solids = [body for body in bodies if body is not None]
    further = [body for body in wanted if body is not None]
    if len(solids) < len(bodies) or len(further) < len(wanted):
        return Fitted((), (), 0.0, Partition.nothing())
    claimed = Manifold.batch_boolean(further, OpType.Add)
    free = whole.body - Manifold.batch_boolean(solids, OpType.Add)
    places = [*solids, free]
    open_to = sorted({row for one in further for row in _reached(one, places)})
    if free.volume() < FREE * whole.body.volume():
        open_to = [row for row in open_to if row != len(solids)]
    region = Manifold.batch_boolean([places[row] for row in open_to], OpType.Add)
    left = [mesh_of(places[row] - claimed) for row in open_to]
    cut = cut_solid(GivenSolid(region, whole.original, whole.exact), [*left, *parts], fitting)
    now = dict(zip(open_to, cut.meshes, strict=False))
    meshes = [now.get(row, mesh) for row, mesh in enumerate(kept)] + list(cut.meshes[len(open_to) :])
    return Fitted(tuple(meshes), (), cut.enclosed, measured(meshes, whole))


def _reached(part: Manifold, places: Sequence[Manifold]) -> list[int]:
    """In which of these places a part lies, or the most of it."""
    inside = [(part ^ place).volume() for place in places]
    rows = [row for row, volume in enumerate(inside) if volume >= REACHES * part.volume()]
    return rows or [max(range(len(places)), key=inside.__getitem__)]
