"""Cuts the given mesh into the parts that were sampled: each point of its solid is in exactly one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from manifold3d import Manifold

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.cells import Fields, Lattice, carved, owner_fields, part_field, without_slivers
from apg_core.geometry.parts.claims import CLAIMED, Agreement, Claims
from apg_core.geometry.parts.grouping import share_out
from apg_core.geometry.parts.partition import Partition, measured, written
from apg_core.geometry.parts.pieces import PlaneTree, contacts
from apg_core.geometry.parts.solids import GivenSolid, given_solid, mesh_of
from apg_core.geometry.parts.units import LUMP, SLIVER, Leftovers, Units, settled
from apg_core.protocol.mesh import TriangleMesh

SURE = 0.75
"""Parts that agree with the whole at least so well know their borders better than hollow edges do."""

ELSEWHERE = 0.02
"""A part that has less than this share of its volume within the mesh is none of it."""


@dataclass(frozen=True)
class Fitting:
    """How parts are fitted to a mesh."""

    grid: Grid
    """On which a mesh that is not closed is copied."""
    at_edges: bool
    """Whether to look for hollow edges, and cut there."""
    further: int
    """How many parts may be added for what no sampled part has."""
    regroup: bool = False
    """Whether networks say which pieces are one part, where the sampled parts are far from making up the mesh."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """The given mesh, divided: a mesh for each sampled part, empty where it has nothing, and those of further ones."""

    meshes: tuple[TriangleMesh, ...]
    remainder: tuple[bool, ...]
    """Of each further part, whether no sampled one had claimed what it has."""
    enclosed: float
    """Share of the sampled parts' volume that the mesh encloses; near 0 where it is no solid, 1 where edges count."""
    partition: Partition


def fit_parts(parts: Sequence[TriangleMesh], given: TriangleMesh, fitting: Fitting) -> Fitted:
    """The given mesh's solid, cut into parts: its own surface outside, smooth shared faces inside.

    Where the sampled parts agree well with the solid, or there are fewer pieces between hollow edges than parts, the
    parts say where cuts are: a piece that is nearly all one part's is that part's, others are cut where two parts'
    fields are equal. Otherwise networks say which pieces are one part, or each piece goes to the part that most of it
    lies in. What no part has becomes further parts, where it is large and there is room, and otherwise goes to the
    part that it touches most.
    """
    solid = given_solid(given, fitting.grid)
    if solid is None:
        return Fitted((), (), 0.0, Partition.nothing())
    cut = cut_solid(solid, parts, fitting)
    return Fitted(cut.meshes, cut.remainder, cut.enclosed, measured(cut.meshes, solid))


@dataclass(frozen=True, eq=False)
class Cut:
    """A solid, divided; the fields are those of `Fitted`."""

    meshes: tuple[TriangleMesh, ...]
    remainder: tuple[bool, ...]
    enclosed: float


def cut_solid(solid: GivenSolid, parts: Sequence[TriangleMesh], fitting: Fitting) -> Cut:
    """This solid, cut into parts as `fit_parts` does."""
    agreement = Agreement.of(parts, mesh_of(solid.body))
    sure = agreement.iou >= SURE or not fitting.at_edges
    both = zip(parts, agreement.each, strict=True)
    parts = [part if share >= ELSEWHERE else TriangleMesh.empty() for part, share in both]
    tree = PlaneTree(solid.body) if fitting.at_edges else PlaneTree(solid.body, most=0)
    lattice = Lattice.around(solid.body)
    sharing, remainder = _shared_out(tree, parts, fitting, sure=sure)
    owners = len(parts) + len(remainder)
    # Where no piece is shared, nobody asks for the parts' distances.
    asked = parts if any(len(one) > 1 for one in sharing) else ()
    distances = np.array([part_field(part, lattice) for part in asked]).reshape(len(asked), len(lattice.numbers))
    fields = Fields(lattice, distances)
    leaves = [fields.between(one, owners) if len(one) > 1 else next(iter(one)) for one in sharing]
    all_fields = without_slivers(owner_fields(tree.roots, leaves, owners, lattice), lattice, share=SLIVER)
    meshes = tuple(_part(solid, body) for body in carved(solid.body, all_fields, lattice))
    # Where hollow edges alone count, sampled parts that stick out of a thin closed mesh say nothing against it.
    enclosed = 1.0 if solid.exact and not sure else agreement.enclosed
    return Cut(meshes, tuple(remainder), enclosed)


def _part(solid: GivenSolid, body: Manifold) -> TriangleMesh:
    return TriangleMesh.empty() if body.is_empty() else written(solid, body)


def _shared_out(
    tree: PlaneTree, parts: Sequence[TriangleMesh], fitting: Fitting, *, sure: bool
) -> tuple[list[dict[int, int]], list[bool]]:
    """Of each piece, its owners, each with the part whose field it goes by, or -1 for what is nobody's.

    Owners past the parts are further ones; of each, whether no part had claimed what it has.
    """
    claims = Claims.of(tree.pieces, parts)
    volumes = np.array([piece.volume() for piece in tree.pieces])
    sure = sure or len(volumes) < int(np.count_nonzero(claims.inside.max(axis=0) > 0))
    if not sure and fitting.regroup and fitting.further:
        owner = share_out(tree.pieces, claims.inside, further=fitting.further)
        claimed = claims.inside.max(axis=1) >= CLAIMED
        further = range(len(parts), int(owner.max()) + 1)
        return [{part: -1} for part in owner.tolist()], [not claimed[owner == part].any() for part in further]
    if not sure:
        contenders = [[part] for part in claims.lying_in().tolist()]
    else:
        everyone = range(len(parts) + 1)
        contenders = [
            claims.contenders(i, volumes) if fitting.at_edges else list(everyone) for i in range(len(volumes))
        ]
        contenders = [[part if part < len(parts) else -1 for part in some] for some in contenders]
    first = np.array([some[0] for some in contenders])
    units = Units(tree.pieces, first, volumes, contacts(tree.pieces))
    owner, remainder = settled(units, len(parts), Leftovers(fitting.further, apart=not sure))
    sharing = []
    for piece, some in enumerate(contenders):
        if len(some) == 1 or owner[piece] != first[piece]:
            sharing.append({int(owner[piece]): -1})
            continue
        one = {part: part for part in some if part >= 0}
        lump = claims.nearest[piece, len(parts)] * volumes[piece] >= LUMP * volumes.sum()
        if -1 in some and lump and len(remainder) < fitting.further:
            one[len(parts) + len(remainder)] = -1
            remainder.append(True)
        sharing.append(one)
    return sharing, remainder
