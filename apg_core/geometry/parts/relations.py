"""What can be said of pieces of a solid, alone and two by two, without knowing what the solid is.

Lengths are in units of half the solid's largest extent, measured from the middle of its box; y is up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from manifold3d import Manifold

LONGEST_TURN = np.radians(10.0)
"""Where two pieces meet at less than this, the surface goes straight on from one to the other."""
TINY = 1e-9
MIDDLE, LOW, HIGH, AXES = 5, 8, 11, 14
"""Where a piece's measures by axis begin."""
TOUCH = 20
"""How many measures there are of two pieces that touch; those of two pieces beside each other follow."""
APART, MIRRORED, OVERLAP, LOW_APART, HIGH_APART = TOUCH + 5, TOUCH + 9, TOUCH + 11, TOUCH + 18, TOUCH + 21
PAIRS_BY_AXIS = (APART, OVERLAP, LOW_APART, HIGH_APART)
"""Where a pair's measures by axis begin."""


@dataclass(frozen=True, eq=False)
class Relations:
    """K pieces: what each is like, what each two are like together, and how they touch."""

    alone: Float[np.ndarray, "K A"]
    pairs: Float[np.ndarray, "K K P"]
    contact: Float[np.ndarray, "K K"]
    """Area that two pieces share; 0 on the diagonal."""
    volumes: Float[np.ndarray, " K"]

    def mirrored(self, axis: int) -> "Relations":
        """What these would be if the solid were mirrored along an axis."""
        alone, pairs = self.alone.copy(), self.pairs.copy()
        alone[:, MIDDLE + axis] *= -1
        alone[:, LOW + axis], alone[:, HIGH + axis] = -self.alone[:, HIGH + axis], -self.alone[:, LOW + axis]
        swapped = [HIGH_APART + axis, LOW_APART + axis]
        pairs[..., [LOW_APART + axis, HIGH_APART + axis]] = self.pairs[..., swapped]
        return Relations(alone, pairs, self.contact, self.volumes)

    def turned(self) -> "Relations":
        """What these would be if x and z changed places; with a mirroring, that is a quarter turn about y."""
        alone, pairs = np.arange(self.alone.shape[1]), np.arange(self.pairs.shape[2])
        for order, firsts in ((alone, (MIDDLE, LOW, HIGH, AXES, AXES + 3, AXES + 6)), (pairs, PAIRS_BY_AXIS)):
            for first in firsts:
                order[[first, first + 2]] = order[[first + 2, first]]
        pairs[[MIRRORED, MIRRORED + 1]] = pairs[[MIRRORED + 1, MIRRORED]]
        return Relations(self.alone[:, alone], self.pairs[..., pairs], self.contact, self.volumes)


@dataclass(frozen=True, eq=False)
class _Piece:
    """One piece with its measures."""

    solid: Manifold
    """With a number of its own, so that its faces are known again in a union."""
    volume: float
    area: float
    air: float
    """Share of its hull that it does not fill."""
    middle: Float[np.ndarray, " 3"]
    lengths: Float[np.ndarray, " 3"]
    """Edges of the box with the same moments, longest first."""
    axes: Float[np.ndarray, "3 3"]
    """Directions of these edges, a row each."""
    box: Float[np.ndarray, "2 3"]
    corners: Float[np.ndarray, "F 3 3"]
    cross: Float[np.ndarray, "F 3"]
    """Normal of each face, as long as twice its area."""

    @classmethod
    def of(cls, solid: Manifold) -> "_Piece":
        solid = solid.as_original()
        corners = _corners(solid)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        volume, middle, spread = _moments(corners)
        sizes, axes = np.linalg.eigh(spread)
        hull = max(solid.hull().volume(), TINY)
        return cls(
            solid=solid,
            volume=volume,
            area=float(np.linalg.norm(cross, axis=1).sum() / 2),
            air=max(1 - volume / hull, 0.0),
            middle=middle,
            lengths=np.sqrt(12 * np.maximum(sizes[::-1], TINY)),
            axes=axes.T[::-1],
            box=np.array(solid.bounding_box()).reshape(2, 3),
            corners=corners,
            cross=cross,
        )

    def shadow(self, direction: Float[np.ndarray, " 3"]) -> float:
        """Area of the piece as seen from far away; exact for convex ones."""
        return float(np.abs(self.cross @ direction).sum() / 4)

    def depth(self, direction: Float[np.ndarray, " 3"]) -> float:
        """Extent along a direction."""
        along = self.corners @ direction
        return float(along.max() - along.min())


def relations_of(pieces: Sequence[Manifold]) -> Relations:
    """Measure the pieces of one solid, and each two of them."""
    box = np.array([np.array(piece.bounding_box()).reshape(2, 3) for piece in pieces])
    low, high = box[:, 0].min(axis=0), box[:, 1].max(axis=0)
    half = max(float((high - low).max()) / 2, TINY)
    centred = [piece.translate(tuple(-(low + high) / 2)).scale((1 / half,) * 3) for piece in pieces]
    each = [_Piece.of(piece) for piece in centred]
    count = len(each)
    contact, touch = np.zeros((count, count)), np.zeros((count, count, TOUCH))
    for i, one in enumerate(each):
        for j in range(i):
            if (one.box[0] <= each[j].box[1] + 1e-6).all() and (each[j].box[0] <= one.box[1] + 1e-6).all():
                contact[i, j], touch[i, j], touch[j, i] = _touch(one, each[j])
    contact += contact.T
    volumes = np.array([piece.volume for piece in each])
    total, surface = max(volumes.sum(), TINY), sum(piece.area for piece in each) - contact.sum()
    alone = np.array([_alone(piece, contact[i], total, max(surface, TINY)) for i, piece in enumerate(each)])
    return Relations(alone, np.concatenate([touch, _beside(each)], axis=-1), contact * half**2, volumes * half**3)


def _alone(piece: _Piece, contact: Float[np.ndarray, " K"], total: float, surface: float) -> list[float]:
    return [
        _log(piece.volume / total),
        _log(piece.area / surface),
        *np.log(piece.lengths),
        *piece.middle,
        *piece.box.reshape(-1),
        *np.abs(piece.axes).reshape(-1),
        piece.air,
        min(piece.volume / piece.lengths.prod(), 3.0),
        min(piece.area / (2 * (piece.lengths * np.roll(piece.lengths, 1)).sum()), 3.0),
        min(float(contact.sum()) / max(piece.area, TINY), 1.0),
        np.count_nonzero(contact) / 8,
        _log(len(piece.corners)),
        piece.volume / total,
    ]


def _touch(one: _Piece, other: _Piece) -> tuple[float, Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    """Shared area, and the measures as the first and as the second piece sees them; zeros where they do not touch."""
    union = one.solid + other.solid
    area = (one.area + other.area - union.surface_area()) / 2
    if area < 1e-6:
        return 0.0, np.zeros(TOUCH), np.zeros(TOUCH)
    mesh = union.to_mesh64()
    vertices, faces = np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts).astype(np.int64)
    runs = np.diff(np.array(mesh.run_index)) // 3
    from_one = np.repeat(np.array(mesh.run_original_id) == one.solid.original_id(), runs)
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    # What of the one piece's surface is gone is what they share; a closed surface's normals sum to nothing.
    facing = -cross[from_one].sum(axis=0) / 2
    across = np.linalg.norm(facing)
    normal = facing / max(across, TINY)
    hull = max(union.hull().volume(), TINY)
    air = max(1 - (one.volume + other.volume) / hull, 0.0)
    both = [
        1.0,
        _log(area),
        min(across / area, 1.0),
        abs(normal[1]),
        *_seam(vertices, faces, from_one),
        air,
        air - max(one.air, other.air),
        _log(hull - one.volume - other.volume) - _log(min(one.volume, other.volume)),
    ]

    def seen(me: _Piece, you: _Piece) -> Float[np.ndarray, " T"]:
        mine = []
        for piece in (me, you):
            mine += [
                min(across / max(piece.shadow(normal), TINY), 1.5),
                _log(area / piece.area),
                _log(piece.depth(normal) / np.sqrt(area)),
                abs(piece.axes[0] @ normal),
            ]
        return np.array([*both, *mine])

    return area, seen(one, other), seen(other, one)


def _seam(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], from_one: np.ndarray
) -> tuple[float, float, float, float, float]:
    """Of the line where two surfaces meet: shares that are hollow, straight on and ridge, the mean turn, the length."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), TINY)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    order = np.lexsort(edges.T)
    a, b = np.repeat(np.arange(len(faces)), 3)[order].reshape(-1, 2).T
    between = from_one[a] != from_one[b]
    a, b = a[between], b[between]
    start, end = vertices[edges[order][::2][between]].transpose(1, 0, 2)
    length = np.linalg.norm(end - start, axis=1)
    total = length.sum()
    if total < TINY:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    middle = corners.mean(axis=1)
    turn = np.arccos(np.clip((normals[a] * normals[b]).sum(axis=1), -1, 1))
    turn = np.where(((middle[b] - middle[a]) * normals[a]).sum(axis=1) > 0, turn, -turn)
    weight = length / total
    hollow, ridge = weight[turn > LONGEST_TURN].sum(), weight[turn < -LONGEST_TURN].sum()
    return float(hollow), float(1 - hollow - ridge), float(ridge), float(weight @ turn), _log(total)


def _beside(each: Sequence[_Piece]) -> Float[np.ndarray, "K K Q"]:
    """What each two pieces are like beside each other, whether or not they touch."""
    middle = np.array([piece.middle for piece in each])
    sizes = np.log(np.array([[piece.volume, piece.area, *piece.lengths] for piece in each]) + TINY)
    low, high = (np.array([piece.box[side] for piece in each]) for side in (0, 1))
    axes = np.array([piece.axes for piece in each])
    apart = middle[:, None] - middle[None]
    overlap = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    smaller = np.minimum((high - low)[:, None], (high - low)[None]) + TINY
    mirrored = [np.linalg.norm(middle[:, None] - (middle * sign)[None], axis=-1) for sign in ([-1, 1, 1], [1, 1, -1])]
    return np.concatenate(
        [
            np.abs(sizes[:, None] - sizes[None]),
            np.abs(apart),
            np.linalg.norm(apart, axis=-1)[..., None],
            np.stack(mirrored, axis=-1),
            np.maximum(overlap / smaller, -3.0),
            np.linalg.norm(np.maximum(-overlap, 0), axis=-1)[..., None],
            np.abs(np.einsum("iax,jax->ija", axes, axes)),
            np.abs(low[:, None] - low[None]),
            np.abs(high[:, None] - high[None]),
        ],
        axis=-1,
    )


def _moments(corners: Float[np.ndarray, "F 3 3"]) -> tuple[float, Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]:
    """Volume, centroid and covariance of what a closed surface encloses."""
    origin = corners.reshape(-1, 3).mean(axis=0)
    local = corners - origin
    six = np.einsum("fi,fi->f", local[:, 0], np.cross(local[:, 1], local[:, 2]))
    volume = max(float(six.sum() / 6), TINY)
    total = local.sum(axis=1)
    middle = (six[:, None] * total).sum(axis=0) / 24 / volume
    second = np.einsum("f,fci,fcj->ij", six, local, local) + np.einsum("f,fi,fj->ij", six, total, total)
    return volume, middle + origin, second / 120 / volume - np.outer(middle, middle)


def _corners(solid: Manifold) -> Float[np.ndarray, "F 3 3"]:
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3][np.array(mesh.tri_verts).astype(np.int64)]


def _log(value: float) -> float:
    return float(np.log(max(value, 1e-7)))
