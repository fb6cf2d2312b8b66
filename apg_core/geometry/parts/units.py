"""What a solid was cut into, and whose it is: leftovers become parts or go to neighbours, slivers change hands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from manifold3d import Manifold

LUMP = 0.02
"""Share of the whole's volume from which what no part claims is a part of its own."""
SLIVER = 0.02
"""Share of a part below which something that is apart from the rest of it goes to what it touches more."""


@dataclass(frozen=True)
class Leftovers:
    """What becomes of what no part has."""

    room: int
    """How many parts may be added, for lumps of at least `LUMP`; the rest goes to neighbours."""
    apart: bool = False
    """Whether large lumps apart from the bulk of their part are leftovers, too."""


@dataclass(frozen=True, eq=False)
class Units:
    """Connected bodies that make up the solid, the part that owns each (-1 where none does), and shared areas."""

    bodies: Sequence[Manifold]
    owner: Int[np.ndarray, " K"]
    volumes: Float[np.ndarray, " K"]
    touching: Float[np.ndarray, "K K"]


def settled(units: Units, parts: int, leftovers: Leftovers) -> tuple[Int[np.ndarray, " K"], list[bool]]:
    """An owner for each unit, and of each owner past the first `parts` whether no part had claimed what it has."""
    owner, touching = units.owner.copy(), units.touching
    unclaimed = []
    for lump in _lumps(units, leftovers)[: leftovers.room]:
        unclaimed.append(bool(owner[lump[0]] < 0))
        owner[lump] = parts + len(unclaimed) - 1
    while (shared := touching * (owner >= 0)[None] * (owner < 0)[:, None]).any():
        unit, neighbour = np.unravel_index(int(shared.argmax()), shared.shape)
        owner[unit] = owner[neighbour]
    if (owner < 0).all():
        owner[:] = 0
    nearest = _boxes_apart(units.bodies)
    for unit in np.flatnonzero(owner < 0):
        known = np.flatnonzero(owner >= 0)
        owner[unit] = owner[known[nearest[unit, known].argmin()]]
    return _without_slivers(owner, units), unclaimed


def _without_slivers(owner: Int[np.ndarray, " K"], units: Units) -> Int[np.ndarray, " K"]:
    """Small groups apart from the bulk of their part go to the part that they touch most; smallest first."""
    owner = owner.copy()
    groups = []
    for part in np.unique(owner):
        own = sorted(_connected(owner == part, units.touching), key=lambda group: -units.volumes[group].sum())
        total = units.volumes[owner == part].sum()
        groups += [group for group in own[1:] if units.volumes[group].sum() < SLIVER * total]
    for group in sorted(groups, key=lambda group: units.volumes[group].sum()):
        contact = units.touching[group].sum(axis=0)
        contact[group] = 0
        if contact.max(initial=0) > 0:
            shared = np.bincount(owner, contact)
            owner[group] = int(shared.argmax())
    return owner


def _lumps(units: Units, leftovers: Leftovers) -> list[Int[np.ndarray, " L"]]:
    """What hangs together, is claimed by no part or apart from the bulk of its part, and is large; largest first."""
    lumps = []
    for part in np.unique(units.owner):
        groups = sorted(_connected(units.owner == part, units.touching), key=lambda group: -units.volumes[group].sum())
        lumps += groups if part < 0 else groups[1:] if leftovers.apart else []
    lumps = [lump for lump in lumps if units.volumes[lump].sum() >= LUMP * units.volumes.sum()]
    return sorted(lumps, key=lambda lump: -units.volumes[lump].sum())


def _connected(chosen: Bool[np.ndarray, " K"], touching: Float[np.ndarray, "K K"]) -> Iterator[Int[np.ndarray, " L"]]:
    left = set(np.flatnonzero(chosen).tolist())
    while left:
        group = [left.pop()]
        for unit in group:
            new = left & set(np.flatnonzero(touching[unit]).tolist())
            left -= new
            group += sorted(new)
        yield np.array(group)


def _boxes_apart(bodies: Sequence[Manifold]) -> Float[np.ndarray, "K K"]:
    """How far the bodies' boxes are from each other; 0 where they meet."""
    boxes = np.array([body.bounding_box() for body in bodies]).reshape(-1, 2, 3)
    gap = np.maximum(boxes[:, None, 0] - boxes[None, :, 1], boxes[None, :, 0] - boxes[:, None, 1])
    return np.linalg.norm(np.maximum(gap, 0), axis=2)
