"""Endless objects with mesh parts to train on: real ones in ever other proportions, and families of solids."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from apg_core.protocol.mesh import TriangleMesh
from training.objects.meshed import MeshedObject
from training.objects.real import real_parts
from training.objects.sketch import turn

MeshFamily = Callable[[np.random.Generator], Sequence[TriangleMesh]]

REAL_SHARE = 0.5
CHANGED_SHARE = 0.4
"""Share of the real objects of which parts are resized, moved or left out."""
MOST_SWAPPED_FACES = 1500
"""A part with more is not put in the place of another."""
TUMBLED_SHARE = 0.08
"""Share of the objects that do not stand upright."""


@dataclass(frozen=True)
class Source:
    """Draws objects; `families` may be empty, and so may `real`."""

    real: Sequence[MeshedObject]
    families: Mapping[str, MeshFamily]

    @classmethod
    def of(cls, folder: Path | None, families: Mapping[str, MeshFamily]) -> "Source":
        """The trained split of a folder of real objects, where one is named, and the families."""
        parts = [] if folder is None else [parts for _, parts in real_parts(folder, "trained")]
        return cls([MeshedObject.of(each) for each in parts], families)

    def draw(self, rng: np.random.Generator, *, turned: float) -> MeshedObject:
        """One object; a share `turned` faces any direction, the others face +z within 8 degrees."""
        if self.real and (not self.families or rng.random() < REAL_SHARE):
            drawn = self.real[int(rng.integers(len(self.real)))]
            if rng.random() < CHANGED_SHARE:
                drawn = MeshedObject.of(_changed(drawn.parts, rng))
            stretch = np.diag(np.exp(rng.normal(0, 0.2, 3)) * [rng.choice([-1.0, 1.0]), 1, 1])
        else:
            names = list(self.families)
            drawn = MeshedObject.of(self.families[names[int(rng.integers(len(names)))]](rng))
            stretch = np.diag(np.exp(rng.normal(0, 0.08, 3)))
        return drawn.moved(_pose(rng, turned) @ stretch)


def swapped(source: Source, rng: np.random.Generator) -> MeshedObject:
    """A real object some of whose parts are other objects', stretched to their boxes: new shapes, same make-up."""
    drawn = source.real[int(rng.integers(len(source.real)))]
    share = rng.uniform(0.2, 0.8)
    parts = [_another(part, source, rng) if rng.random() < share else part for part in drawn.parts]
    stretch = np.diag(np.exp(rng.normal(0, 0.2, 3)))
    return MeshedObject.of(parts).moved(_pose(rng, 0.5) @ stretch)


def _another(part: TriangleMesh, source: Source, rng: np.random.Generator) -> TriangleMesh:
    """A part of another object whose box is the most alike, turned and stretched to this one's box."""
    wanted = _edges(part)
    parts = [source.real[i].parts for i in rng.integers(0, len(source.real), 40)]
    found = [one[int(rng.integers(len(one)))] for one in parts]
    found = [one for one in found if len(one.faces) < MOST_SWAPPED_FACES] or [part]
    taken = min(found, key=lambda one: float(np.ptp(np.log(np.sort(_edges(one)) / np.sort(wanted)))))
    order = np.empty(3, int)
    order[np.argsort(wanted)] = np.argsort(_edges(taken))
    vertices, mirrored = taken.vertices[:, order], np.linalg.det(np.eye(3)[order]) < 0
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    vertices = (vertices - middle) * (wanted / _edges(taken)[order]) + part.bounds.mean(axis=0)
    return TriangleMesh(vertices, np.ascontiguousarray(taken.faces[:, ::-1] if mirrored else taken.faces))


def _edges(mesh: TriangleMesh) -> Float[np.ndarray, " 3"]:
    return np.asarray(np.maximum(np.ptp(mesh.bounds, axis=0), 1e-3))


def _pose(rng: np.random.Generator, turned: float) -> Float[np.ndarray, "3 3"]:
    if rng.random() < turned:
        tumbled = rng.random() < TUMBLED_SHARE / max(turned, TUMBLED_SHARE)
        lean = rng.uniform(-np.pi, np.pi, 2) if tumbled else np.zeros(2)
        return turn(x=lean[0], z=lean[1]) @ turn(y=rng.uniform(-np.pi, np.pi))
    return turn(y=np.radians(rng.uniform(-8, 8)))


def _changed(parts: Sequence[TriangleMesh], rng: np.random.Generator) -> list[TriangleMesh]:
    kept = [part for part in parts if rng.random() > 0.12]
    kept = kept if len(kept) >= 2 else list(parts)
    changed = []
    for part in kept:
        middle = part.bounds.mean(axis=0)
        size = np.exp(rng.normal(0, 0.1, 3))
        changed.append(TriangleMesh((part.vertices - middle) * size + middle + rng.normal(0, 0.01, 3), part.faces))
    return changed
