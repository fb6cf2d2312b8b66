"""Who has which piece of a solid: the sampled parts say so, or networks do; a piece may have several owners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from manifold3d import Manifold

from apg_core.geometry.parts.claims import CLAIMED, Claims
from apg_core.geometry.parts.grouping import Separate, grown_into, separate_parts, share_out
from apg_core.geometry.parts.pieces import contacts
from apg_core.geometry.parts.units import LUMP, Leftovers, Units, settled
from apg_core.protocol.mesh import TriangleMesh

MOST_COMPARED = 150
"""Pieces up to which networks compare each two of them; the cost grows with the square. Only an object of more bodies
that do not touch than this has more."""
NOBODY, UNKNOWN = -1, -2
SHOWN = 0.15
"""Share of a piece's pixels from which a part has some of it."""


@dataclass(frozen=True, eq=False)
class Shared:
    """The owners of each piece. Those past the sampled parts are further parts."""

    owners: Sequence[Mapping[int, int]]
    """Of each piece, its owners, and for each the sampled part whose field it goes by, or `NOBODY`."""
    remainder: tuple[bool, ...]
    """Of each further part, whether no sampled one had claimed what it has."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """What a solid was cut into, and what the sampled parts have of it."""

    solids: Sequence[Manifold]
    volumes: Float[np.ndarray, " K"]
    claims: Claims
    there: tuple[int, ...]
    """The sampled parts that are not empty."""
    parts: int
    """How many sampled parts there are, empty ones included."""

    @classmethod
    def of(cls, solids: Sequence[Manifold], parts: Sequence[TriangleMesh]) -> "Pieces":
        """These pieces, as these parts claim them."""
        volumes = np.array([solid.volume() for solid in solids])
        there = tuple(i for i, part in enumerate(parts) if not part.is_empty)
        return cls(solids, volumes, Claims.of(solids, parts), there, len(parts))

    @property
    def numbers(self) -> range:
        """One for each piece."""
        return range(len(self.solids))

    @property
    def fewer_than_parts(self) -> bool:
        """Whether there are fewer pieces than parts that lie in any."""
        return len(self.solids) < int(np.count_nonzero(self.claims.inside.max(axis=0) > 0))

    def units(self, owner: Sequence[int]) -> Units:
        """The pieces with these owners, before leftovers are settled."""
        return Units(self.solids, np.array(owner), self.volumes, contacts(self.solids))


def divided_by_parts(pieces: Pieces, *, further: int, whole_pieces: bool, regroup: bool) -> Shared:
    """The sampled parts know their borders: a piece that is nearly all one part's is that part's, others are shared.

    Without `whole_pieces` each piece is shared among all parts. Where networks `regroup`, what they set apart is a
    further part, and a lump within a piece that is nobody's always is, as long as there is room.
    """
    everyone = [*pieces.there, NOBODY]
    contenders = [_contenders(pieces, i) if whole_pieces else everyone for i in pieces.numbers]
    separate = separate_parts(pieces.solids, pieces.claims)[:further] if regroup else []
    return _settled(pieces, contenders, further, separate)


def as_a_picture_shows(pieces: Pieces, seen: Float[np.ndarray, "K S"], *, further: int, sure: bool) -> Shared:
    """Each piece is the part's that most of its pixels show (`seen`), or shared where they show several.

    What is not seen goes by the sampled parts where they are `sure` of their borders; otherwise it is left over where
    none lies in it and there is room for `further` parts, and else goes to the part that its shape is likely to be of.
    """
    total = seen.sum(axis=1)
    shares = seen / np.maximum(total, 1)[:, None]
    lonely = np.bincount(shares.argmax(axis=1)[total > 0], minlength=seen.shape[1]) == 0
    home = seen.argmax(axis=0)
    lying_in = pieces.claims.lying_in()
    contenders: list[list[int]] = []
    for i in pieces.numbers:
        some = [int(part) for part in np.argsort(-shares[i], kind="stable") if shares[i, part] >= SHOWN]
        some += [part for part in np.flatnonzero(lonely & (home == i)).tolist() if seen[i, part] and part not in some]
        unknown = lying_in[i] < 0 and further
        contenders.append(some or (_contenders(pieces, i) if sure else [NOBODY] if unknown else []))
    known = np.array([some[0] if some else UNKNOWN for some in contenders])
    if (known == UNKNOWN).any():
        grown = grown_into(pieces.solids, known) if len(known) <= MOST_COMPARED else lying_in
        contenders = [some or [int(owner)] for some, owner in zip(contenders, grown, strict=True)]
    return _settled(pieces, contenders, further)


def _settled(pieces: Pieces, contenders: list[list[int]], further: int, separate: Sequence[Separate] = ()) -> Shared:
    """The pieces shared among these, first who has most; leftovers are further parts, or go to neighbours."""
    for number, part in enumerate(separate, pieces.parts):
        for piece in part.pieces.tolist():
            contenders[piece] = [number]
    first = [some[0] for some in contenders]
    units, room = pieces.units(first), Leftovers(further - len(separate))
    owner, unclaimed = settled(units, pieces.parts + len(separate), room)
    remainder, owners = [*(part.unclaimed for part in separate), *unclaimed], list[Mapping[int, int]]()
    for piece, some in enumerate(contenders):
        if len(some) == 1 or owner[piece] != first[piece]:
            owners.append({int(owner[piece]): NOBODY})
            continue
        sharing = {part: part for part in some if part != NOBODY}
        if NOBODY in some and _has_lump(pieces, piece) and len(remainder) < further:
            sharing[pieces.parts + len(remainder)] = NOBODY
            remainder.append(True)
        owners.append(sharing)
    return Shared(owners, tuple(remainder))


def grouped_by_networks(pieces: Pieces, *, agreement: float, further: int) -> Shared:
    """Networks say by the pieces' own shapes which are one part, and the sampled parts as far as they agree."""
    inside = pieces.claims.inside
    owner = share_out(pieces.solids, pieces.claims, agreement=agreement, further=further)
    claimed = inside.max(axis=1) >= CLAIMED
    added = range(pieces.parts, int(owner.max()) + 1)
    return Shared(
        [{part: NOBODY} for part in owner.tolist()], tuple(not claimed[owner == part].any() for part in added)
    )


def whole_pieces_each(pieces: Pieces, *, further: int) -> Shared:
    """Each piece goes to the part that most of it lies in; what is apart from the rest of its part is left over."""
    units = pieces.units(pieces.claims.lying_in().tolist())
    owner, remainder = settled(units, pieces.parts, Leftovers(further, apart=True))
    return Shared([{part: NOBODY} for part in owner.tolist()], tuple(remainder))


def _contenders(pieces: Pieces, piece: int) -> list[int]:
    found = pieces.claims.contenders(piece, pieces.volumes)
    return [part if part < pieces.parts else NOBODY for part in found]


def _has_lump(pieces: Pieces, piece: int) -> bool:
    """Whether what is nobody's in a piece is large enough for a part of its own."""
    nobodys = pieces.claims.nearest[piece, pieces.parts] * pieces.volumes[piece]
    return bool(nobodys >= LUMP * pieces.volumes.sum())
