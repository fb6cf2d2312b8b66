"""Cuts the given mesh into the parts that were sampled: each point of its solid is in exactly one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from manifold3d import Manifold

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.cells import Fields, Lattice, Owners, part_field
from apg_core.geometry.parts.claims import Agreement
from apg_core.geometry.parts.cutting import cut_along
from apg_core.geometry.parts.partition import measured, written
from apg_core.geometry.parts.pieces import MOST_PIECES, PlaneTree
from apg_core.geometry.parts.seen import pixels_seen
from apg_core.geometry.parts.sharing import (
    MOST_COMPARED,
    Pieces,
    Shared,
    as_a_picture_shows,
    divided_by_parts,
    grouped_by_networks,
    whole_pieces_each,
)
from apg_core.geometry.parts.solids import GivenSolid, given_solid, mesh_of
from apg_core.geometry.values import Partition, RegionPicture
from apg_core.protocol.mesh import TriangleMesh

SURE, SURE_UNSEEN = 0.8, 0.75
"""Parts that agree with the whole at least so well know their borders better than hollow edges do; what a picture does
not show of the whole goes by them from the second on."""

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
    """Whether networks say which pieces are one part: where the sampled parts are far from making up the mesh, of all
    pieces, otherwise of those that they overlooked."""

    def trusts(self, agreement: float) -> bool:
        """Whether parts that agree with the mesh as well as that (IoU) say themselves where cuts are."""
        return agreement >= SURE or not self.at_edges


@dataclass(frozen=True, eq=False)
class Fitted:
    """The given mesh, divided: a mesh for each sampled part, empty where it has nothing, and those of further ones."""

    meshes: tuple[TriangleMesh, ...]
    remainder: tuple[bool, ...]
    """Of each further part, whether no sampled one had claimed what it has."""
    enclosed: float
    """Share of the sampled parts' volume that the mesh encloses; near 0 where it is no solid, 1 where edges count."""
    partition: Partition


def fit_parts(
    parts: Sequence[TriangleMesh], given: TriangleMesh, fitting: Fitting, picture: RegionPicture | None = None
) -> Fitted:
    """The given mesh's solid, cut into parts: its own surface outside, smooth shared faces inside.

    Where the sampled parts agree well with the solid, or there are fewer pieces between hollow edges than parts, the
    parts say where cuts are: a piece that is nearly all one part's is that part's, others are cut where two parts'
    fields are equal; networks add what the parts overlooked. Otherwise networks say which pieces are one part, or each
    piece goes to the part that most of it lies in. What no part has becomes further parts, where it is large and there
    is room, and otherwise goes to the part that it touches most.

    Where edges count and a picture shows which part is where, a piece is what it shows, before all else.
    """
    solid = given_solid(given, fitting.grid)
    if solid is None:
        return Fitted((), (), 0.0, Partition.nothing())
    cut = cut_solid(solid, parts, fitting, picture)
    return Fitted(cut.meshes, cut.remainder, cut.enclosed, measured(cut.meshes, solid))


@dataclass(frozen=True, eq=False)
class Cut:
    """A solid, divided; the fields are those of `Fitted`."""

    meshes: tuple[TriangleMesh, ...]
    remainder: tuple[bool, ...]
    enclosed: float


def cut_solid(
    solid: GivenSolid, parts: Sequence[TriangleMesh], fitting: Fitting, picture: RegionPicture | None = None
) -> Cut:
    """This solid, cut into parts as `fit_parts` does."""
    agreement = Agreement.of(parts, mesh_of(solid.body))
    both = zip(parts, agreement.each, strict=True)
    parts = [part if share >= ELSEWHERE else TriangleMesh.empty() for part, share in both]
    tree = PlaneTree(solid.flat or solid.body, most=MOST_PIECES if fitting.at_edges else 0)
    lattice = Lattice.around(solid.body)
    seen = None if picture is None or not fitting.at_edges else pixels_seen(tree.pieces, picture, parts=len(parts))
    shared = _shared_out(Pieces.of(tree.pieces, parts), fitting, agreement=agreement.iou, seen=seen)
    leaves = _leaves(shared, parts, lattice)
    bodies = cut_along(solid.body, tree.roots, leaves, len(parts) + len(shared.remainder), lattice)
    meshes = tuple(_part(solid, body) for body in bodies)
    # Where hollow edges alone count, sampled parts that stick out of a thin closed mesh say nothing against it.
    enclosed = 1.0 if solid.exact and not fitting.trusts(agreement.iou) else agreement.enclosed
    return Cut(meshes, shared.remainder, enclosed)


def _part(solid: GivenSolid, body: Manifold) -> TriangleMesh:
    return TriangleMesh.empty() if body.is_empty() else written(solid, body)


def _shared_out(pieces: Pieces, fitting: Fitting, *, agreement: float, seen: Float[np.ndarray, "K S"] | None) -> Shared:
    """Who has which piece, by what is known best: a picture, the parts' borders, pieces' shapes, what parts lie in."""
    if seen is not None:
        return as_a_picture_shows(pieces, seen, further=fitting.further, sure=agreement >= SURE_UNSEEN)
    at_edges, further = fitting.at_edges, fitting.further
    regroup = fitting.regroup and at_edges and further > 0 and len(pieces.solids) <= MOST_COMPARED
    if fitting.trusts(agreement) or pieces.fewer_than_parts:
        return divided_by_parts(pieces, further=further, whole_pieces=at_edges, regroup=regroup)
    if regroup:
        return grouped_by_networks(pieces, agreement=agreement, further=further)
    return whole_pieces_each(pieces, further=further)


def _leaves(shared: Shared, parts: Sequence[TriangleMesh], lattice: Lattice) -> list[Owners | int]:
    """Of each piece the fields of its owners, or the only one that it has."""
    owners = len(parts) + len(shared.remainder)
    # Where no piece is shared, nobody asks for the parts' distances.
    asked = parts if any(len(one) > 1 for one in shared.owners) else ()
    distances = np.array([part_field(part, lattice) for part in asked]).reshape(len(asked), len(lattice.numbers))
    fields = Fields(lattice, distances)
    known: dict[tuple[tuple[int, int], ...], Owners] = {}
    leaves: list[Owners | int] = []
    for one in shared.owners:
        key = tuple(one.items())
        if len(one) > 1 and key not in known:
            known[key] = fields.between(one, owners)
        leaves.append(known[key] if len(one) > 1 else next(iter(one)))
    return leaves
