"""Which sampled part a piece of the given solid lies in, as points within the piece say."""

from collections.abc import Sequence
from dataclasses import dataclass

import igl
import numpy as np
import trimesh
from jaxtyping import Float, Int
from manifold3d import Manifold

from apg_core.geometry.band.lattice import Grid
from apg_core.geometry.parts.solids import mesh_of
from apg_core.geometry.solid import enclosed
from apg_core.protocol.mesh import TriangleMesh

PROBES = 100
"""Points within a piece."""
DEEP = 0.1
"""How far from every part a place must be to be nobody's, when it is asked whether there is a lump: parts that are a
little too small everywhere leave none."""
CLAIMED = 0.15
"""Share of a piece that must lie in a part, for the part to have it where parts are unsure of their borders."""
WHOLLY = 0.8
"""Share of a piece from which it is a part's as a whole."""
SOME = 0.03
"""Share of a piece below which a part has nothing of it to speak of."""
CONTENDING = 0.2
"""Share of a piece that a part must be nearest to, for the piece to be divided with it."""


@dataclass(frozen=True, eq=False)
class Claims:
    """Of each piece (rows), what each part (columns) has; a last column of `nearest` is of what is nobody's."""

    inside: Float[np.ndarray, "K S"]
    """The share of it that lies in the part."""
    nearest: Float[np.ndarray, "K T"]
    """The share of it that the part is nearest to, or deepest around."""

    @classmethod
    def of(cls, pieces: Sequence[Manifold], parts: Sequence[TriangleMesh]) -> "Claims":
        """What the parts have of these pieces."""
        probes = np.concatenate([_within(mesh_of(piece)) for piece in pieces])
        fields = np.full((len(probes), len(parts)), -np.inf)
        for i, part in enumerate(parts):
            if part.is_empty:
                continue
            vertices, faces = part.vertices.astype(np.float64), part.faces.astype(np.int64)
            inside = np.abs(igl.fast_winding_number(vertices, faces, probes)) > 0.5
            away = np.sqrt(igl.point_mesh_squared_distance(probes, vertices, faces)[0])
            fields[:, i] = np.where(inside, away, -away)
        nearest = np.where(fields.max(axis=1) < -DEEP, len(parts), fields.argmax(axis=1))
        shape = (len(pieces), PROBES, -1)
        one_hot = nearest[:, None] == np.arange(len(parts) + 1)
        return cls((fields > 0).reshape(shape).mean(axis=1), one_hot.reshape(shape).mean(axis=1))

    def lying_in(self) -> Int[np.ndarray, " K"]:
        """The part that most of each piece lies in, -1 where that is little."""
        return np.where(self.inside.max(axis=1) >= CLAIMED, self.inside.argmax(axis=1), -1)

    def contenders(self, piece: int, volumes: Float[np.ndarray, " K"]) -> list[int]:
        """The parts that have this piece between them, first who has most; the number of parts stands for nobody.

        A part that leads in no piece, and has most of what it has in this one, is among them, however little of the
        piece that is.
        """
        shares = self.nearest[piece]
        order = np.argsort(-shares, kind="stable")
        total = np.maximum(volumes @ self.nearest, 1e-12)
        leads = np.isin(np.arange(len(shares)), self.nearest.argmax(axis=1))
        at_home = ~leads & (shares * volumes[piece] > total / 2) & (shares >= SOME)
        least = 1.0 if shares[order[0]] >= WHOLLY else CONTENDING
        others = [int(part) for part in order[1:] if shares[part] >= least or at_home[part]]
        return [int(order[0]), *others]


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far sampled parts make up the whole, by volumes on a lattice of 64 points an edge."""

    iou: float
    """Of the parts' union and the whole."""
    enclosed: float
    """Share of the parts' volume that the whole encloses."""
    each: tuple[float, ...]
    """The same for each part; 0 for one without volume."""

    @classmethod
    def of(cls, parts: Sequence[TriangleMesh], whole: TriangleMesh) -> "Agreement":
        """Of these parts, which may overlap, and this whole."""
        grid = Grid(64)
        solid = enclosed(whole, grid)
        insides = [enclosed(part, grid) for part in parts]
        claimed = np.logical_or.reduce(insides)
        sizes = np.array([np.count_nonzero(inside) for inside in insides])
        within = np.array([np.count_nonzero(inside & solid) for inside in insides])
        return cls(
            iou=int(np.count_nonzero(solid & claimed)) / max(int(np.count_nonzero(solid | claimed)), 1),
            enclosed=float(within.sum() / max(int(sizes.sum()), 1)),
            each=tuple((within / np.maximum(sizes, 1)).tolist()),
        )


def _within(mesh: TriangleMesh) -> Float[np.ndarray, "Q 3"]:
    """Points in a nearly convex piece: halfway between points of its surface."""
    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points = trimesh.sample.sample_surface(surface, 2 * PROBES, seed=0)[0]
    return np.asarray((points[::2] + points[1::2]) / 2)
