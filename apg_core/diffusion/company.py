"""Passes of the network for one step of several trajectories, of which none may notice the others.

A library of matrix products may add up a row's terms in another order when there are more rows. The difference is in
the last bits, but a chain of parts amplifies it. So where results are to be exact, trajectories share a pass only in
company that was seen to change nothing: the first time that so many rows meet, both ways are computed and compared.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from apg_core.models.part_dit import DitContext, PartDit
from apg_core.shapes import Latents

Velocities = Sequence[Float[Tensor, "_ N C"]]


class Member(Protocol):
    """A trajectory, for its next step."""

    context: DitContext

    @property
    def rows(self) -> int:
        """Network evaluations that the step costs."""
        ...

    @property
    def noisy(self) -> Latents:
        """What the network denoises."""
        ...

    @property
    def timestep(self) -> float:
        """From how much noise."""
        ...


class Company:
    """The passes of one denoiser; `exact` keeps each trajectory's velocities as they are alone, to the bit."""

    def __init__(self, denoiser: PartDit, *, exact: bool | None = None) -> None:
        """`exact` left out is so on a CPU, where it costs next to nothing."""
        self.denoiser = denoiser
        self.exact = denoiser.proj_in.weight.device.type == "cpu" if exact is None else exact
        self._changes_nothing: dict[tuple[object, ...], bool] = {}

    @torch.inference_mode()
    def velocities(
        self, members: Sequence[Member], context: DitContext, *, rows_at_once: int | None = None
    ) -> Velocities:
        """The velocity of each row of each member; `context` is those of all members, joined.

        No pass has more rows than `rows_at_once`, where the device has no room for more.
        """
        if not self.exact or len(members) == 1:
            return self._pass(members, context, rows_at_once)
        kind = (members[0].noisy.shape, tuple(member.rows for member in members), rows_at_once)
        if self._changes_nothing.get(kind, False):
            return self._pass(members, context, rows_at_once)
        alone = [self._pass([member], member.context, rows_at_once)[0] for member in members]
        if kind not in self._changes_nothing:
            shared = self._pass(members, context, rows_at_once)
            self._changes_nothing[kind] = all(map(torch.equal, alone, shared))
        return alone

    def _pass(self, members: Sequence[Member], context: DitContext, rows_at_once: int | None) -> Velocities:
        counts = [member.rows for member in members]
        noisy = torch.cat([member.noisy.expand(member.rows, -1, -1) for member in members])
        timesteps = torch.tensor([member.timestep for member in members], device=noisy.device)
        timesteps = timesteps.repeat_interleave(torch.tensor(counts, device=noisy.device))
        at_once = rows_at_once or len(noisy)
        if len(noisy) <= at_once:
            return self.denoiser(noisy, timesteps, context).split(counts)
        pieces = [range(low, min(low + at_once, len(noisy))) for low in range(0, len(noisy), at_once)]
        velocities = [self.denoiser(noisy[piece], timesteps[piece], context.take(piece, piece)) for piece in pieces]
        return torch.cat(velocities).split(counts)
