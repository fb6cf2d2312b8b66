"""Cuts a solid along the planes of a tree, and gives each owner what lies in its leaves.

The planes were found on a copy; here they cut the solid itself. Where the sampled parts say what of a leaf is whose, it
is divided by their fields (`cells.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from manifold3d import Manifold, OpType

from apg_core.geometry.parts.cells import Lattice, Owners, carved, without_slivers
from apg_core.geometry.parts.pieces import Node, apart
from apg_core.geometry.parts.solids import divided, mesh_of
from apg_core.geometry.parts.units import SLIVER
from apg_core.geometry.solid import nearest_face
from apg_core.protocol.mesh import TriangleMesh

COLLAR = 0.002
"""How far behind the face beside a hollow edge a cut is: in the face's own plane it would shave off its noise."""
TOUCHING = 1e-6
"""How far from a surface the middle of a face is that lies in it."""
ROUNDING = 1e-12
"""Share of a volume below which something connected comes from rounding, where cuts meet again, and is nothing."""
FELT = 256
"""Faces of a piece, the largest ones, that say what it is a piece of."""


def cut_along(
    solid: Manifold, roots: Sequence[Node], leaves: Sequence[Owners | int], owners: int, lattice: Lattice
) -> list[Manifold]:
    """The solid, divided among this many owners; some may get nothing.

    A leaf of the tree has one owner, or a field for each. Together the results are the solid, and they share their
    surfaces exactly. What is small and apart from the bulk of its owner's goes to the owner that it touches most.
    """
    cut = _Cut(leaves, lattice)
    cut.among(roots, solid, lattice.within)
    bulk, loose, had = [], cut.crumbs, [-1] * len(cut.crumbs)
    for owner in range(owners):
        bodies = _bodies(_joined(cut.found.get(owner, [])))
        least = SLIVER * sum(body.volume() for body in bodies)
        largest = max(bodies, key=Manifold.volume, default=None)
        small = [body for body in bodies if body is not largest and body.volume() < least]
        bulk.append(_joined([body for body in bodies if body not in small]))
        loose, had = [*loose, *small], [*had, *[owner] * len(small)]
    heirs = _heirs(loose, had, bulk)
    return [
        _joined([body, *(one for one, heir in zip(loose, heirs, strict=True) if heir == owner)])
        for owner, body in enumerate(bulk)
    ]


@dataclass(frozen=True, eq=False)
class _Cut:
    leaves: Sequence[Owners | int]
    lattice: Lattice
    found: dict[int, list[Manifold]] = field(default_factory=dict)
    """What each owner has so far."""
    crumbs: list[Manifold] = field(default_factory=list)
    """What no node of the tree is about."""

    def among(self, nodes: Sequence[Node], body: Manifold, within: Bool[np.ndarray, " Q"]) -> None:
        """Divide what several nodes make up, which do not touch; `within` are the places that it may have."""
        owners = {owner for node in nodes for owner in self._owners(node)}
        if body.is_empty():
            return
        if len(owners) == 1 and (only := owners.pop()) is not None:
            self._give(only, body)
        elif len(nodes) == 1:
            self._at(nodes[0], body, within)
        else:
            bodies = _bodies(body)
            homes = _homes(nodes, bodies)
            self.crumbs.extend(body for i, body in enumerate(bodies) if i not in homes)
            for i in sorted(set(homes)):
                own = [node for node, home in zip(nodes, homes, strict=True) if home == i]
                for node, one in zip(own, self._by_nearness(own, bodies[i]), strict=True):
                    self.among([node], one, within)

    def _at(self, node: Node, body: Manifold, within: Bool[np.ndarray, " Q"]) -> None:
        if node.plane is not None:
            normal, offset = node.plane
            sides = divided(body, lambda one: one.split_by_plane(normal, offset + COLLAR))
            before = self.lattice.places @ normal > offset + COLLAR
            self.among(node.before, sides[0], within & before)
            self.among(node.behind, sides[1], within & ~before)
            return
        fields = self.leaves[node.leaf]
        assert not isinstance(fields, int)
        fields = without_slivers(fields, self.lattice, within=within, share=SLIVER)
        for owner, own in enumerate(carved(body, fields, self.lattice)):
            self._give(owner, own)

    def _by_nearness(self, nodes: Sequence[Node], body: Manifold) -> list[Manifold]:
        """A body divided among nodes that do not touch: each gets what is nearest to its surface."""
        if len(nodes) == 1:
            return [body]
        places = self.lattice.places
        return carved(body, -np.array([nearest_face(mesh_of(node.solid), places)[0] for node in nodes]), self.lattice)

    def _give(self, owner: int, body: Manifold) -> None:
        if not body.is_empty():
            self.found.setdefault(owner, []).append(body)

    def _owners(self, node: Node) -> set[int | None]:
        """The owners of all leaves of a node; None stands for several that have one between them."""
        if node.plane is not None:
            return {owner for below in (*node.before, *node.behind) for owner in self._owners(below)}
        leaf = self.leaves[node.leaf]
        return {leaf if isinstance(leaf, int) else None}


def _homes(nodes: Sequence[Node], bodies: Sequence[Manifold]) -> list[int]:
    """The body that each node is a piece of: the one whose surface most of its largest faces lie in."""
    surfaces = [mesh_of(body) for body in bodies]
    joined, body = TriangleMesh.joined(surfaces), np.repeat(np.arange(len(bodies)), [len(s.faces) for s in surfaces])
    homes = []
    for node in nodes:
        middles, areas = _middles(node.solid)
        largest = np.argsort(-areas, kind="stable")[:FELT]
        homes.append(int(np.bincount(body[nearest_face(joined, middles[largest])[1]], areas[largest]).argmax()))
    return homes


def _heirs(loose: Sequence[Manifold], had: Sequence[int], bulk: Sequence[Manifold]) -> list[int]:
    """Of each loose body the owner whose bulk it touches most; where it touches none, who had it, or the nearest."""
    if not loose:
        return []
    faces = [_middles(body) for body in loose]
    middles, areas = (np.concatenate(every) for every in zip(*faces, strict=True))
    of = np.repeat(np.arange(len(loose)), [len(each) for _, each in faces])
    away = np.array([nearest_face(mesh_of(body), middles)[0] for body in bulk])
    shared = np.array([np.bincount(of, areas * (row <= TOUCHING), minlength=len(loose)) for row in away]).T
    nearest = [int(away[:, of == i].min(axis=1).argmin()) for i in range(len(loose))]
    return [
        int(touched.argmax()) if touched.any() else owner if owner >= 0 else nearest[i]
        for i, (touched, owner) in enumerate(zip(shared, had, strict=True))
    ]


def _bodies(solid: Manifold) -> list[Manifold]:
    return apart(solid, speck=np.inf, share=ROUNDING)


def _middles(solid: Manifold) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, " F"]]:
    """The middle of each face, and its area."""
    mesh = mesh_of(solid)
    corners = mesh.vertices[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return corners.mean(axis=1), np.linalg.norm(cross, axis=1) / 2


def _joined(bodies: Sequence[Manifold]) -> Manifold:
    return bodies[0] if len(bodies) == 1 else Manifold.batch_boolean(list(bodies), OpType.Add)
