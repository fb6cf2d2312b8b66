"""Cuts a solid along the planes of a tree, and gives each owner what lies in its leaves.

First space is divided into a cell for each owner, then the solid is cut where two owners' cells meet, and nowhere else.
Where the sampled parts say what of a leaf is whose, its cell is divided by their fields (`cells.py`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from manifold3d import Manifold, OpType

from apg_core.geometry.parts.cells import Lattice, Owners, carved, without_slivers
from apg_core.geometry.parts.pieces import Node, Plane, apart
from apg_core.geometry.parts.solids import mesh_of, split_by
from apg_core.geometry.parts.units import SLIVER
from apg_core.geometry.solid import nearest_face

COLLAR = 0.002
"""How far behind the face beside a hollow edge a cut is: in the face's own plane it would shave off its noise."""
SPACE = 2.4
"""Edge of the cube that is divided; solids lie in [-1, 1]^3."""
LEAST_GAP = 0.003
"""How far boxes must be apart for a plane between them: surfaces of the copy may be off by half of this."""
TOUCHING = 1e-6
"""How far from a surface the middle of a face is that lies in it."""


def cut_along(
    solid: Manifold, roots: Sequence[Node], leaves: Sequence[Owners | int], owners: int, lattice: Lattice
) -> list[Manifold]:
    """The solid, divided among this many owners; some may get nothing.

    A leaf of the tree has one owner, or a field for each. Together the results are the solid, and they share their
    surfaces exactly. What is small and apart from the bulk of its owner's goes to the owner that it touches most.
    """
    space = _Space(leaves, lattice)
    space.divide(roots, Manifold.cube((SPACE,) * 3, center=True), lattice.within)
    found, rest = [Manifold()] * owners, solid
    *first, last = sorted(space.cells, key=lambda owner: len(space.cells[owner]))
    for owner in first:
        found[owner], rest = split_by(rest, Manifold.batch_boolean(space.cells[owner], OpType.Add))
    found[last] = rest
    return _with_slivers_handed_on(found)


@dataclass(frozen=True, eq=False)
class _Space:
    leaves: Sequence[Owners | int]
    lattice: Lattice
    cells: dict[int, list[Manifold]] = field(default_factory=lambda: defaultdict(list))
    """Of each owner, what it has of space."""

    def divide(self, nodes: Sequence[Node], region: Manifold, within: Bool[np.ndarray, " Q"]) -> None:
        """Divide a region among nodes that do not touch; `within` are the lattice points that it may have."""
        owners = {owner for node in nodes for owner in self._owners(node)}
        if len(owners) == 1 and (only := owners.pop()) is not None:
            self.cells[only].append(region)
        elif len(nodes) == 1:
            self._divide_at(nodes[0], region, within)
        elif (gap := _widest_gap(nodes)) is not None:
            self._at_plane((gap.normal, gap.offset), (gap.before, gap.behind), region, within)
        else:
            near = np.full((len(nodes), len(within)), -SPACE)
            rows = self.lattice.around_places(within)
            for node, row in zip(nodes, near, strict=True):
                row[rows] = -nearest_face(mesh_of(node.solid), self.lattice.places[rows])[0]
            for node, own in zip(nodes, carved(region, near, self.lattice), strict=True):
                self.divide([node], own, within)

    def _at_plane(
        self,
        plane: Plane,
        sides: tuple[Sequence[Node], Sequence[Node]],
        region: Manifold,
        within: Bool[np.ndarray, " Q"],
    ) -> None:
        normal, offset = plane
        before = self.lattice.places @ normal > offset
        for nodes, own, there in zip(sides, region.split_by_plane(normal, offset), (before, ~before), strict=True):
            self.divide(nodes, own, within & there)

    def _divide_at(self, node: Node, region: Manifold, within: Bool[np.ndarray, " Q"]) -> None:
        if node.plane is None:
            fields = self.leaves[node.leaf]
            assert not isinstance(fields, int)
            fields = without_slivers(fields, self.lattice, within=within, share=SLIVER)
            for owner, own in enumerate(carved(region, fields, self.lattice)):
                if not own.is_empty():
                    self.cells[owner].append(own)
        elif node.before and node.behind:
            normal, offset = node.plane
            self._at_plane((normal, offset + COLLAR), (node.before, node.behind), region, within)
        else:
            self.divide(node.before or node.behind, region, within)

    def _owners(self, node: Node) -> set[int | None]:
        """The owners of all leaves of a node; None stands for several that have one between them."""
        if node.plane is not None:
            return {owner for below in (*node.before, *node.behind) for owner in self._owners(below)}
        leaf = self.leaves[node.leaf]
        return {leaf if isinstance(leaf, int) else None}


@dataclass(frozen=True, eq=False)
class _Gap:
    """A plane across an axis with nothing of the nodes on it."""

    normal: Float[np.ndarray, " 3"]
    offset: float
    width: float
    before: Sequence[Node]
    behind: Sequence[Node]


def _widest_gap(nodes: Sequence[Node]) -> _Gap | None:
    """The plane across an axis that is farthest from the boxes of nodes on both sides, if there is any."""
    boxes = np.array([node.solid.bounding_box() for node in nodes]).reshape(-1, 2, 3)
    gaps = []
    for axis in range(3):
        order = np.argsort(boxes[:, 0, axis], kind="stable")
        ends, starts = np.maximum.accumulate(boxes[order, 1, axis])[:-1], boxes[order, 0, axis][1:]
        i = int((starts - ends).argmax())
        behind, before = ([nodes[k] for k in some] for some in (order[: i + 1], order[i + 1 :]))
        gaps.append(_Gap(np.eye(3)[axis], float(ends[i] + starts[i]) / 2, float(starts[i] - ends[i]), before, behind))
    widest = max(gaps, key=lambda gap: gap.width)
    return widest if widest.width > LEAST_GAP else None


def _with_slivers_handed_on(found: Sequence[Manifold]) -> list[Manifold]:
    """What is small and apart from the bulk of its owner's goes to the owner that it touches most."""
    bulk, loose, had = [], list[Manifold](), list[int]()
    for owner, own in enumerate(found):
        bodies = apart(own, dust=True)
        least = SLIVER * own.volume()
        largest = max(bodies, key=Manifold.volume, default=None)
        small = [b for b in bodies if b is not largest and b.volume() < least]
        bulk.append(Manifold.compose([body for body in bodies if body not in small]) if small else own)
        loose, had = [*loose, *small], [*had, *[owner] * len(small)]
    heirs = _heirs(loose, had, bulk)
    for heir in set(heirs):
        inherited = [body for body, one in zip(loose, heirs, strict=True) if one == heir]
        bulk[heir] = Manifold.batch_boolean([bulk[heir], *inherited], OpType.Add)
    return bulk


def _heirs(loose: Sequence[Manifold], had: Sequence[int], bulk: Sequence[Manifold]) -> list[int]:
    """Of each loose body the owner whose bulk it touches most; where it touches none, who had it."""
    if not loose:
        return []
    faces = [_middles(body) for body in loose]
    middles, areas = (np.concatenate(every) for every in zip(*faces, strict=True))
    of = np.repeat(np.arange(len(loose)), [len(each) for _, each in faces])
    away = np.array([nearest_face(mesh_of(body), middles)[0] for body in bulk])
    shared = np.array([np.bincount(of, areas * (row <= TOUCHING), minlength=len(loose)) for row in away]).T
    return [int(touched.argmax()) if touched.any() else own for touched, own in zip(shared, had, strict=True)]


def _middles(solid: Manifold) -> tuple[Float[np.ndarray, "F 3"], Float[np.ndarray, " F"]]:
    """The middle of each face, and its area."""
    mesh = mesh_of(solid)
    corners = mesh.vertices[mesh.faces]
    return corners.mean(axis=1), trimesh.triangles.area(corners)
