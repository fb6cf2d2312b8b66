"""Objects to learn grouping from: fused, cut into convex pieces, with the share of each piece in each true part."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from apg_core.geometry.parts.pieces import convex_pieces
from apg_core.geometry.parts.relations import Relations, relations_of
from apg_core.geometry.parts.solids import mesh_of, solid_of
from apg_core.protocol.mesh import TriangleMesh
from training.cases import part_meshes
from training.objects.catalogue import CATALOGUE
from training.objects.draw import draw_objects
from training.objects.families import TRAINED
from training.objects.fusing import fused
from training.objects.meshed import signed_distance, surface_of
from training.objects.real import real_parts
from training.objects.source import Source, swapped

logger = logging.getLogger(__name__)

ANALYTIC_SHARE, SWAPPED_SHARE = 0.1, 0.25
"""Shares of the objects: analytic ones, and real ones with parts of other real ones in the place of theirs."""
PROBES = 100
"""Points within a piece."""
LEAST_INSIDE = 0.05
"""Share of a piece below which it is in no part, and goes by which part is nearest."""


@dataclass(frozen=True, eq=False)
class CutObject:
    """One object: its pieces' measures, and how much of each piece lies in each of its parts."""

    relations: Relations
    shares: Float[np.ndarray, "K S"]

    @property
    def same(self) -> Float[np.ndarray, "K K"]:
        """Probability that points of two pieces are of one part."""
        return np.minimum(self.shares @ self.shares.T, 1.0)

    @classmethod
    def of(cls, parts: Sequence[TriangleMesh], whole: TriangleMesh) -> "CutObject | None":
        """Cut an object; None where its surface is not closed, or holds nothing."""
        solid = solid_of(whole)
        pieces = [] if solid is None else convex_pieces(solid)
        if not pieces:
            return None
        return cls(relations_of(pieces), np.array([_shares(mesh_of(piece), parts) for piece in pieces]))

    def save(self, path: Path) -> None:
        """Write to a temporary name, then put in place."""
        r, temporary = self.relations, path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(
                file,
                alone=r.alone.astype(np.float32),
                pairs=r.pairs.astype(np.float32),
                contact=r.contact,
                volumes=r.volumes,
                shares=self.shares,
            )
        temporary.rename(path)

    @classmethod
    def load(cls, path: Path) -> "CutObject":
        """Read what `save` wrote."""
        with np.load(path) as a:
            return cls(Relations(a["alone"], a["pairs"], a["contact"], a["volumes"]), a["shares"])


def _shares(piece: TriangleMesh, parts: Sequence[TriangleMesh]) -> Float[np.ndarray, " S"]:
    """How much of a piece lies in each part, by points halfway between points of its surface; they sum to 1."""
    surface = surface_of(piece, 2 * PROBES, rng=np.random.default_rng(0))[:, :3].astype(np.float64)
    probes = (surface[::2] + surface[1::2]) / 2
    depth = np.stack([-signed_distance([part], probes) for part in parts])
    inside = (depth > 0).mean(axis=1)
    if inside.sum() < LEAST_INSIDE:
        inside = np.bincount(depth.argmax(axis=0), minlength=len(parts)).astype(float)
    return np.asarray(inside / inside.sum())


def cut_objects(folder: Path, *, count: int, real: Path | None) -> list[CutObject]:
    """The folder's objects, after adding those that it lacks; a number gives one object."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = None
    for index in range(count):
        path = folder / f"object_{index:05d}.npz"
        if path.exists():
            continue
        draw = draw or partial(_drawn, source=Source.of(real, {}), catalogue=Source.of(None, CATALOGUE))
        parts, whole = draw(np.random.default_rng([41, index]))
        found = CutObject.of(parts, whole)
        if found is not None:
            found.save(path)
        if index % 50 == 0:
            logger.info("cut object %d", index)
    return [CutObject.load(path) for path in sorted(folder.glob("object_*.npz"))]


def _drawn(
    rng: np.random.Generator, *, source: Source, catalogue: Source
) -> tuple[Sequence[TriangleMesh], TriangleMesh]:
    kind = rng.random()
    if kind < ANALYTIC_SHARE:
        objects, _ = draw_objects(TRAINED, 1, rng=rng)
        parts = part_meshes(objects, 0)
        return parts, fused(parts)
    if source.real and kind < ANALYTIC_SHARE + SWAPPED_SHARE:
        drawn = swapped(source, rng)
    elif source.real and rng.random() < 0.5:
        drawn = source.draw(rng, turned=0.5)
    else:
        drawn = catalogue.draw(rng, turned=0.5)
    return drawn.parts, drawn.whole


def real_objects(folder: Path, *, validation: bool) -> Iterator[tuple[str, CutObject]]:
    """Real objects as they are."""
    for name, parts in real_parts(folder, "validation" if validation else "trained"):
        cut = CutObject.of(parts, fused(parts))
        if cut is not None:
            yield name, cut
