"""Cuts a closed solid into nearly convex pieces, along its own hollow edges.

Where parts meet, a made object mostly has a hollow edge, and the cut mostly lies in the plane of a face beside it. The
planes are found on a simplified copy; the pieces are cut from the solid itself.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from manifold3d import Manifold, OpType
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from apg_core.geometry.parts.solids import ROUNDING, SPECK, inside_out, lies_within, mesh_of

HOLLOW = np.radians(20.0)
"""Edges that turn inwards by more than this are where something is joined to something."""
TRIED = 10
"""Planes that are tried on one piece, those along the most hollow edge first."""
LOOPS = 4
"""Of the longest hollow edges that hang together, how many loops' own planes are tried, too."""
EVEN = 0.04
"""How thick such a loop may be, beside its smaller width, to lie in a plane."""
MOST_PIECES = 40
LEAST_AIR = 0.002
"""Share of the hull of the whole, below which a piece is convex enough."""
CUT_COST = 0.1
"""What a cut as large as the piece's surface costs, where saving all air in its hull is worth 1."""
SIMPLER = 0.0015
"""How far the surface may move in the copy that planes are found on."""
FLAT = 1e-6
"""How far it may move where the solid has few faces: only flat places become fewer triangles."""
MOST_FACES = 4000
"""Finer solids are simplified before planes are looked for."""
EFFORT = 3_000_000
"""Triangles that may be cut in all, over all planes that are tried; then pieces stay as they are."""
SPECK_SHARE = 1e-3
"""Share of a small whole's volume below which something connected is a speck, and no piece."""
LOST = 0.5
"""Share of the volume that a simplified copy must keep, to stand for the solid."""

Plane = tuple[Float[np.ndarray, " 3"], float]


@dataclass(eq=False)
class Node:
    """A piece; where it is cut, the plane, and what lies before and behind it. Several on one side do not touch."""

    solid: Manifold
    plane: Plane | None = None
    before: list["Node"] = field(default_factory=list)
    behind: list["Node"] = field(default_factory=list)
    leaf: int = -1
    """Its number among the pieces, where it is not cut."""


@dataclass(frozen=True, order=True)
class _Waiting:
    """A piece that may be cut further; the one with the most air between itself and its hull comes first."""

    less_air: float
    number: int
    node: Node = field(compare=False)


class PlaneTree:
    """The planes along which a solid falls into nearly convex pieces, found on a simplified copy of it.

    Greedy: of the piece with the most air in its hull, the plane is taken that saves most of that air for its cut.
    """

    def __init__(self, solid: Manifold, *, most: int = MOST_PIECES) -> None:
        # Without the memory of single faces, which would all be kept.
        plain = solid.as_original()
        copy = plain.simplify(SIMPLER if solid.num_tri() > MOST_FACES else FLAT)
        if copy.volume() < LOST * plain.volume():  # thinner than that: nothing of it may move
            copy = plain
        self.roots = [Node(body) for body in apart(copy)]
        leaves = _grown(self.roots, least=LEAST_AIR * copy.hull().volume(), most=most)
        for number, leaf in enumerate(leaves):
            leaf.leaf = number
        self.pieces = [leaf.solid for leaf in leaves]
        """The pieces of the copy, by `Node.leaf`."""


def convex_pieces(solid: Manifold) -> list[Manifold]:
    """Pieces that make up the solid, but for what simplification moved, and which each fill most of their hull."""
    return PlaneTree(solid).pieces


def _grown(roots: list[Node], *, least: float, most: int) -> list[Node]:
    """The leaves, once no cut is worth it or allowed any more."""
    waiting = [_Waiting(-_air(node.solid), number, node) for number, node in enumerate(roots)]
    heapq.heapify(waiting)
    leaves: list[Node] = []
    number, effort = len(waiting), 0
    while waiting:
        first = heapq.heappop(waiting)
        node = first.node
        enough = -first.less_air < least or len(waiting) + len(leaves) + 2 > most or effort > EFFORT
        better = None if enough else _best_cut(node.solid, least / 2)
        effort += 0 if enough else TRIED * node.solid.num_tri()
        if better is None:
            leaves.append(node)
            continue
        node.plane, sides = better
        node.before, node.behind = ([Node(body) for body in side] for side in sides)
        for part in node.before + node.behind:
            number += 1
            heapq.heappush(waiting, _Waiting(-_air(part.solid), number, part))
    return leaves


def apart(solid: Manifold, *, dust: bool = False) -> list[Manifold]:
    """What is not connected, as solids of their own; a hollow inside stays with what surrounds it.

    Specks are left out; with `dust`, only those that come from rounding, and hollows.
    """
    surfaces = [(surface, surface.volume()) for surface in solid.decompose()]
    speck = min(SPECK, SPECK_SHARE * solid.volume())
    outer = [surface for surface, volume in surfaces if volume > (ROUNDING * solid.volume() if dust else speck)]
    hollows = [inside_out(surface) for surface, volume in surfaces if volume < -speck]
    for hollow in sorted(hollows, key=Manifold.volume):
        around = [i for i, shell in enumerate(outer) if lies_within(hollow, shell)]
        if around:
            i = min(around, key=lambda i: outer[i].volume())
            outer[i] = Manifold.batch_boolean([outer[i], hollow], OpType.Subtract)
    return outer


def _best_cut(piece: Manifold, least: float) -> tuple[Plane, list[list[Manifold]]] | None:
    air, hull, area = _air(piece), piece.hull().volume(), piece.surface_area()
    best, most = None, 0.0
    for normal, offset in _hollow_planes(piece):
        sides = piece.split_by_plane(normal, offset)
        if min(side.volume() for side in sides) < 1e-4 * piece.volume():
            continue
        bodies = [apart(side) for side in sides]
        saved = air - sum(_air(body) for side in bodies for body in side)
        cut = (sum(side.surface_area() for side in sides) - area) / 2
        gain = saved / hull - CUT_COST * cut / area
        if saved > least and gain > most:
            best, most = ((normal, offset), bodies), gain
    return best


def _air(solid: Manifold) -> float:
    return max(solid.hull().volume() - solid.volume(), 0.0)


def _hollow_planes(solid: Manifold) -> list[Plane]:
    """Planes (unit normal, offset) of the faces beside hollow edges, by the length of these edges."""
    mesh = mesh_of(solid)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    a, b = np.repeat(np.arange(len(mesh.faces)), 3)[order].reshape(-1, 2).T
    start, end = mesh.vertices[edges[order][::2]].transpose(1, 0, 2)
    middle = corners.mean(axis=1)
    turn = np.arccos(np.clip((normals[a] * normals[b]).sum(axis=1), -1, 1))
    # Hollow: the other face lies before this one.
    hollow = (turn > HOLLOW) & (((middle[b] - middle[a]) * normals[a]).sum(axis=1) > 0)
    face = np.concatenate([a[hollow], b[hollow]])
    point = np.tile(start[hollow], (2, 1))
    length = np.tile(np.linalg.norm(end - start, axis=1)[hollow], 2)
    offset = (normals[face] * point).sum(axis=1)
    loops = _loop_planes(mesh.vertices, edges[order][::2][hollow], (normals[a] + normals[b])[hollow])
    # Planes that hardly differ are one, whichever way they face.
    rounded = normals[face].round(3)
    first = np.take_along_axis(rounded, (rounded != 0).argmax(axis=1)[:, None], axis=1)
    sign = np.where(first < 0, -1, 1)
    alike = np.round(np.concatenate([sign * normals[face] * 20, sign * offset[:, None] * 50], axis=1)).astype(int)
    _, chosen, group = np.unique(alike, axis=0, return_index=True, return_inverse=True)
    along = np.bincount(group.reshape(-1), length, minlength=len(chosen))
    ranked = chosen[np.argsort(-along, kind="stable")[:TRIED]]
    return [*((normals[face[i]], float(offset[i])) for i in ranked), *loops]


def _loop_planes(
    vertices: Float[np.ndarray, "V 3"], edges: Int[np.ndarray, "E 2"], facing: Float[np.ndarray, "E 3"]
) -> list[Plane]:
    """Planes of hollow edges that hang together and lie in one, longest first: where a rough surface has a waist.

    They face the way that the surface beside them does most (`facing`, for each edge).
    """
    if len(edges) == 0:
        return []
    used, ends = np.unique(edges, return_inverse=True)
    ends = ends.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(used),) * 2)
    _, label = connected_components(graph, directed=False)
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    middle = vertices[edges].mean(axis=1)
    total = np.bincount(label[ends[:, 0]], length)
    planes: list[Plane] = []
    for loop in np.argsort(-total, kind="stable")[:LOOPS]:
        rows = label[ends[:, 0]] == loop
        weight = length[rows] / length[rows].sum()
        centre = weight @ middle[rows]
        spread = (middle[rows] - centre) * np.sqrt(weight)[:, None]
        _, sizes, axes = np.linalg.svd(spread, full_matrices=False)
        if len(sizes) == 3 and sizes[2] < EVEN * sizes[1]:
            normal = axes[2] * np.copysign(1.0, weight @ facing[rows] @ axes[2])
            planes.append((normal, float(normal @ centre)))
    return planes


def contacts(pieces: Sequence[Manifold]) -> Float[np.ndarray, "K K"]:
    """Area that two pieces share; 0 on the diagonal."""
    shared = np.zeros((len(pieces), len(pieces)))
    areas = [piece.surface_area() for piece in pieces]
    boxes = [np.array(piece.bounding_box()).reshape(2, 3) for piece in pieces]
    for i, one in enumerate(boxes):
        for j, other in enumerate(boxes[:i]):
            if (one[0] <= other[1] + 1e-6).all() and (other[0] <= one[1] + 1e-6).all():
                area = (areas[i] + areas[j] - (pieces[i] + pieces[j]).surface_area()) / 2
                shared[i, j] = shared[j, i] = area if area > 1e-7 else 0.0
    return shared
