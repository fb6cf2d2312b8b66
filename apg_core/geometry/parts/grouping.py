"""Which pieces of a solid make up one part: what trained networks say of each two, and the sampled parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from manifold3d import Manifold
from scipy.optimize import linear_sum_assignment
from scipy.special import expit

from apg_core.geometry.parts.claims import CLAIMED, WHOLLY, Claims
from apg_core.geometry.parts.relations import relations_of
from apg_core.geometry.parts.together import log_odds

APART, SURPLUS = 0.45, 0.5
"""Probability of being of one part, below which two groups stay apart; and the share of it that is taken off where
there are more groups than sampled parts, and these agree with the whole exactly."""

ACROSS = 0.7
"""Probability of being of one part, from which two groups become one that do not touch: a rail's pieces on both sides
of a leg."""

SEPARATE, LARGE = 0.3, 0.1
"""Probability below which networks alone say that two groups are apart, against what sampled parts say; and the share
of the whole from which such a group is split off a sampled part."""

SAMPLED = 6.0
"""What two pieces gain in log odds where one sampled part has both, and lose where two have one each, if the sampled
parts make up the whole exactly; otherwise it falls with the square of their agreement with it."""

CRUMB = 1e-4
"""Share of the whole's volume below which what touches something is no part of its own."""


@dataclass(frozen=True)
class Bound:
    """The probability of being one part from which two groups become one."""

    apart: float = APART
    expected: int = 0
    """How many groups there should be."""
    surplus: float = 1.0
    """What `apart` is multiplied with while there are more."""

    def of(self, groups: int) -> float:
        """The same while there are so many groups."""
        return self.apart if groups <= self.expected else self.surplus * self.apart


def groups_of(
    together: Float[np.ndarray, "K K"],
    contact: Float[np.ndarray, "K K"],
    volumes: Float[np.ndarray, " K"],
    *,
    most: int,
    bound: Bound,
) -> Int[np.ndarray, " K"]:
    """A number for each piece, that of its group.

    The two groups that are the most likely to be one part become one, of those that touch and of those from `ACROSS`
    on, until that is less likely than the bound, and there are `most` at most. How likely two groups are is the mean
    over their pieces, by volume.
    """
    weight = np.outer(volumes, volumes)
    likely, touching = together * weight, contact > 0
    np.fill_diagonal(touching, False)
    group, alive = np.arange(len(volumes)), np.ones(len(volumes), bool)
    while alive.sum() > 1:
        mean = np.where(np.outer(alive, alive), likely / weight, -1.0)
        np.fill_diagonal(mean, -1.0)
        # What touches nothing is only put to something unlikely where there are too many groups.
        near = np.where(touching | (mean >= ACROSS), mean, -1.0)
        candidates = near if near.max() >= 0 else mean
        i, j = np.unravel_index(int(candidates.argmax()), mean.shape)
        if alive.sum() <= most and (near.max() < 0 or mean[i, j] < bound.of(int(alive.sum()))):
            break
        for matrix in (likely, weight):
            matrix[i] += matrix[j]
            matrix[:, i] += matrix[:, j]
        touching[i] |= touching[j]
        touching[:, i] |= touching[:, j]
        touching[i, i] = touching[j] = touching[:, j] = False
        alive[j] = False
        group[group == j] = i
    return np.unique(group, return_inverse=True)[1]


def without_crumbs(
    group: Int[np.ndarray, " K"], contact: Float[np.ndarray, "K K"], volumes: Float[np.ndarray, " K"]
) -> Int[np.ndarray, " K"]:
    """The groups, where those that are hardly anything have become part of what they touch most; smallest first."""
    group = group.copy()
    sizes = np.bincount(group, volumes)
    for small in np.argsort(sizes, kind="stable"):
        own = group == small
        if volumes[own].sum() >= CRUMB * volumes.sum():
            continue
        touching = np.bincount(group, contact[own].sum(axis=0), minlength=len(sizes))
        touching[small] = 0
        if touching.max() > 0:
            group[own] = int(touching.argmax())
    return np.unique(group, return_inverse=True)[1]


def share_out(pieces: Sequence[Manifold], claims: Claims, *, agreement: float, further: int) -> Int[np.ndarray, " K"]:
    """The part that each piece belongs to, for what each of S sampled parts has of it.

    Groups of pieces are the parts. Networks say of each two pieces how likely they are one part, and so do the sampled
    parts, the more so the better their `agreement` (IoU) with the whole. A sampled part gives its number to the group
    that it has most in common with; the other groups, `further` at most, are numbered on from S, the largest first.
    """
    relations, inside = relations_of(pieces), claims.inside
    alike = claims.nearest @ claims.nearest.T
    together = expit(log_odds(relations) + SAMPLED * agreement**2 * (2 * alike - 1))
    bound = Bound(expected=inside.shape[1], surplus=1 - SURPLUS * agreement)
    most = min(inside.shape[1] + further, len(pieces))
    while True:
        group = groups_of(together, relations.contact, relations.volumes, most=most, bound=bound)
        group = without_crumbs(group, relations.contact, relations.volumes)
        owner = _named(group, inside, relations.volumes)
        if owner.max() < inside.shape[1] + further or most == 1:
            return owner
        most = int(group.max())


@dataclass(frozen=True, eq=False)
class Separate:
    """Pieces that are a part of their own, though no sampled part is."""

    pieces: Int[np.ndarray, " P"]
    unclaimed: bool
    """Whether no sampled part has anything to speak of in them; otherwise they are some of what one of them has."""


def separate_parts(pieces: Sequence[Manifold], claims: Claims) -> list[Separate]:
    """What networks set apart from all else, and sampled parts overlooked, or took for some of another part.

    Of what one sampled part has whole, the largest group remains that part's, and others count where they are `LARGE`
    and touch the rest of it: a part of several bodies is one. The largest come first.
    """
    relations = relations_of(pieces)
    volumes, contact = relations.volumes, relations.contact
    together = expit(log_odds(relations))
    group = groups_of(together, contact, volumes, most=len(pieces), bound=Bound(SEPARATE))
    group = without_crumbs(group, contact, volumes)
    sizes = np.bincount(group, volumes)
    home = claims.nearest.argmax(axis=1)
    bulk = (_members(group, volumes).T @ claims.nearest).argmax(axis=0)
    found = []
    for number in np.argsort(-sizes, kind="stable"):
        own = np.flatnonzero(group == number)
        part = home[own[0]]
        if claims.inside[own].max() < CLAIMED:
            found.append(Separate(own, unclaimed=True))
        elif (
            claims.nearest[own, part].min() >= WHOLLY
            and bulk[part] != number
            and sizes[number] >= LARGE * sizes.sum()
            and contact[np.ix_(own, (home == part) & (group != number))].any()
        ):
            found.append(Separate(own, unclaimed=False))
    return found


def grown_into(pieces: Sequence[Manifold], owner: Int[np.ndarray, " K"]) -> Int[np.ndarray, " K"]:
    """An owner for pieces whose is below -1: of the parts that they touch, the one that they are most likely to be of.

    The likeliest first, so that a part grows from what is known; what touches none goes to the likeliest of all.
    """
    owner = owner.copy()
    known = np.unique(owner[owner >= 0])
    if len(known) == 0:
        return np.maximum(owner, -1)
    relations = relations_of(pieces)
    together = expit(log_odds(relations))
    while (owner < -1).any():
        waiting = np.flatnonzero(owner < -1)
        member = (owner[:, None] == known).astype(float) * relations.volumes[:, None]
        likely = together[waiting] @ member / member.sum(axis=0)
        touching = (relations.contact[waiting] > 0) @ (member > 0)
        likely += touching  # any that touches comes before any that does not
        piece, part = np.unravel_index(int(likely.argmax()), likely.shape)
        owner[waiting[piece]] = known[part]
    return owner


def _members(group: Int[np.ndarray, " K"], volumes: Float[np.ndarray, " K"]) -> Float[np.ndarray, "K G"]:
    """The volume of each piece in the column of its group."""
    return (group[:, None] == np.arange(group.max() + 1)) * volumes[:, None]


def _named(
    group: Int[np.ndarray, " K"], inside: Float[np.ndarray, "K S"], volumes: Float[np.ndarray, " K"]
) -> Int[np.ndarray, " K"]:
    member = _members(group, volumes)
    common = member.T @ inside
    joint = member.sum(axis=0)[:, None] + (volumes @ inside)[None] - common
    groups, parts = linear_sum_assignment(-common / np.maximum(joint, 1e-12))
    number = np.full(len(common), -1)
    alike = common[groups, parts] > 0
    number[groups[alike]] = parts[alike]
    nameless = np.flatnonzero(number < 0)
    number[nameless[np.argsort(-member.sum(axis=0)[nameless], kind="stable")]] = inside.shape[1] + np.arange(
        len(nameless)
    )
    return number[group]
