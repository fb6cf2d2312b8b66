"""Trajectories give the same latents alone and in company, and stop when they should."""

from typing import get_args

import pytest
import torch

from apg_core.diffusion.company import Company
from apg_core.diffusion.guidance import DROPPED_IMAGE, GuidanceScales, GuidedInput, part_rows, whole_rows
from apg_core.diffusion.schedule import Schedule, SolverName
from apg_core.diffusion.trajectories import Trajectory, TrajectoryBatch, run, run_together
from apg_core.errors import ApgError, SamplingError
from apg_core.models.part_dit import DitContext, PartDit
from apg_core.presets import load_preset

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def denoiser() -> PartDit:
    torch.manual_seed(0)
    return PartDit(load_preset("nano").dit).eval()


def guided(seed: int, *, scales: GuidanceScales | None = None, image_tokens: int = 21) -> GuidedInput:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, image_tokens, 96, generator=generator)
    given = torch.randn(1, 2, 32, 16, generator=generator)
    if scales is None:
        return GuidedInput(images, torch.zeros(1, 1, 32, 16), whole_rows(7.0))
    return GuidedInput(images, torch.cat([torch.zeros_like(given), given]), part_rows(scales))


def trajectory(denoiser: PartDit, seed: int, *, steps: int = 6, **kwargs: object) -> Trajectory:
    return Trajectory(denoiser, guided(seed, **kwargs), schedule=Schedule(), steps=steps, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scales", "weights"),
    [
        (GuidanceScales(0, 2), [-1, 2]),
        (GuidanceScales(5, 5), [-4, 5]),
        (GuidanceScales(2, 2), [-1, 2]),
        (GuidanceScales(3, 1.5), [-0.5, -1.5, 3]),
        (GuidanceScales(0, 1), [1]),
        (GuidanceScales(0, 0), [1]),
        (GuidanceScales(1, 1), [1]),
    ],
)
def test_guidance_keeps_only_rows_that_count_and_their_weights_add_up_to_one(
    scales: GuidanceScales, weights: list[float]
) -> None:
    rows = part_rows(scales)
    assert [row.weight for row in rows] == pytest.approx(weights)
    assert sum(row.weight for row in rows) == pytest.approx(1)


def test_guidance_equals_the_formula_of_three_rows() -> None:
    u, g, ig = torch.randn(3, 8).double()
    for a, b in ((0, 2), (5, 5), (3, 1.5), (0.5, 4)):
        by_place = {(0, 0): u, (0, 1): g, (1, 1): ig}
        mixed = sum(row.weight * by_place[row.image, row.geometry] for row in part_rows(GuidanceScales(a, b)))
        torch.testing.assert_close(mixed, u + a * (ig - g) + b * (g - u))


@pytest.mark.parametrize("name", get_args(SolverName))
def test_every_scheduler_gives_the_same_latent_alone_and_in_company(denoiser: PartDit, name: SolverName) -> None:
    schedule = Schedule(class_name=name, rescale_betas_zero_snr=name != "PNDMScheduler")

    def one(seed: int) -> Trajectory:
        return Trajectory(denoiser, guided(seed), schedule=schedule, steps=12, seed=seed)

    alone = run(Company(denoiser), one(3))
    assert torch.isfinite(alone).all()
    assert torch.equal(alone, run(Company(denoiser), one(3)))
    together = [one(2), one(3)]
    run_together(Company(denoiser), together)
    assert torch.equal(together[1].latents, alone)


def test_without_image_guidance_no_row_sees_the_image() -> None:
    assert {row.image for row in part_rows(GuidanceScales(0, 2))} == {DROPPED_IMAGE}


def test_many_trajectories_at_different_steps_give_the_latents_they_give_alone(denoiser: PartDit) -> None:
    kinds = [GuidanceScales(0, 2), GuidanceScales(3, 1.5), None, GuidanceScales(5, 5)]
    alone = [run(Company(denoiser), trajectory(denoiser, seed, scales=kind)) for seed, kind in enumerate(kinds)]
    members = [trajectory(denoiser, seed, scales=kind) for seed, kind in enumerate(kinds)]
    batch = TrajectoryBatch(Company(denoiser))
    waiting = list(members)
    ended: list[Trajectory] = []
    while len(ended) < len(members):
        if waiting:  # one more joins at every step, so that no two are at the same one
            batch.join(waiting.pop(0))
        ended += [member for member, error in batch.step().items() if error is None]
    assert batch.rows == 0
    for member, latents in zip(members, alone, strict=True):
        assert torch.equal(member.latents, latents)


@pytest.mark.parametrize("exact", [True, False])
def test_steps_are_shared_at_once_or_where_it_was_seen_to_change_nothing(denoiser: PartDit, exact: bool) -> None:
    passes: list[int] = []
    counting = denoiser.register_forward_hook(lambda _, inputs, output: passes.append(len(output)))
    try:
        members = [trajectory(denoiser, seed, scales=GuidanceScales(3, 1.5)) for seed in range(2)]
        run_together(Company(denoiser, exact=exact), members)
    finally:
        counting.remove()
    alone = [run(Company(denoiser), trajectory(denoiser, seed, scales=GuidanceScales(3, 1.5))) for seed in range(2)]
    if exact:  # whether company changes a bit is the processor's matter; of these sizes it mostly does
        assert passes in ([3, 3, 6] + [3, 3] * 5, [3, 3, 6] + [6] * 5)
        assert all(torch.equal(member.latents, latents) for member, latents in zip(members, alone, strict=True))
    else:
        assert passes == [6] * 6
        for member, latents in zip(members, alone, strict=True):
            torch.testing.assert_close(member.latents, latents, atol=TOLERANCE, rtol=0)


def test_company_that_changes_nothing_is_found_out_once(denoiser: PartDit) -> None:
    """Rows that a step computes one by one cannot notice each other."""

    class OneByOne(PartDit):
        def forward(self, noisy: torch.Tensor, timestep: torch.Tensor, context: DitContext) -> torch.Tensor:
            passes.append(len(noisy))
            rows = range(len(noisy))
            return torch.cat([denoiser(noisy[[n]], timestep[[n]], context.take([n], [n])) for n in rows])

    passes: list[int] = []
    company = Company(OneByOne(denoiser.config))
    run_together(company, [trajectory(denoiser, seed, scales=GuidanceScales(3, 1.5)) for seed in range(2)])
    assert passes == [3, 3, 6] + [6] * 5


def test_a_member_that_leaves_does_not_change_the_others(denoiser: PartDit) -> None:
    alone = run(Company(denoiser), trajectory(denoiser, 1, scales=GuidanceScales(0, 2)))
    stays, leaves = (trajectory(denoiser, seed, scales=GuidanceScales(0, 2)) for seed in (1, 2))
    batch = TrajectoryBatch(Company(denoiser))
    batch.join(stays)
    batch.join(leaves)
    batch.step()
    batch.leave(leaves)
    while not stays.done:
        batch.step()
    torch.testing.assert_close(stays.latents, alone, atol=TOLERANCE, rtol=0)


def test_a_member_that_fails_fails_alone(denoiser: PartDit) -> None:
    good, bad = (trajectory(denoiser, seed, scales=GuidanceScales(0, 2)) for seed in (1, 2))
    bad.latents = torch.full_like(bad.latents, torch.nan)
    batch = TrajectoryBatch(Company(denoiser))
    batch.join(good)
    batch.join(bad)
    ended: dict[Trajectory, ApgError | None] = {}
    while batch.rows:
        ended |= batch.step()
    assert isinstance(ended[bad], SamplingError)
    assert ended[good] is None
    alone = run(Company(denoiser), trajectory(denoiser, 1, scales=GuidanceScales(0, 2)))
    torch.testing.assert_close(good.latents, alone, atol=TOLERANCE, rtol=0)


def test_progress_hears_every_step(denoiser: PartDit) -> None:
    heard: list[tuple[int, int]] = []
    run(
        Company(denoiser), trajectory(denoiser, 1, scales=None), on_step=lambda done, total: heard.append((done, total))
    )
    assert heard == [(step, 6) for step in range(1, 7)]


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(denoiser: PartDit) -> None:
    first, again, other = (
        run(Company(denoiser), Trajectory(denoiser, guided(0), schedule=Schedule(), steps=4, seed=seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sigma_floor_above_every_noise_level_returns_the_first_noise(denoiser: PartDit) -> None:
    member = Trajectory(denoiser, guided(0), schedule=Schedule(), steps=4, seed=9, sigma_floor=1e9)
    latents = run(Company(denoiser), member)
    assert torch.equal(latents, torch.randn(latents.shape, generator=torch.Generator().manual_seed(9)))


def test_an_end_that_is_foreseen_twice_saves_the_other_steps(denoiser: PartDit) -> None:
    def ends(end_below: float) -> Trajectory:
        member = Trajectory(denoiser, guided(0), schedule=Schedule(), steps=9, seed=1, end_below=end_below)
        run(Company(denoiser), member)
        return member

    unasked = Trajectory(denoiser, guided(0), schedule=Schedule(), steps=9, seed=1)
    assert torch.equal(ends(0.0).latents, run(Company(denoiser), unasked))
    assert (ends(0.0).position, ends(1e9).position) == (9, 2)
    # What it ends with is what its second step foresees, whatever company it keeps.
    early = ends(1e9).latents
    pair = [
        Trajectory(denoiser, guided(0), schedule=Schedule(), steps=9, seed=1, end_below=1e9),
        trajectory(denoiser, 2),
    ]
    run_together(Company(denoiser), pair)
    torch.testing.assert_close(pair[0].latents, early, atol=TOLERANCE, rtol=0)


def test_an_empty_batch_has_nothing_to_do(denoiser: PartDit) -> None:
    assert TrajectoryBatch(Company(denoiser)).step() == {}


@pytest.mark.parametrize("count", [1, 3])
def test_no_product_sees_how_many_rows_share_the_pass(denoiser: PartDit, count: int) -> None:
    # A product of a strided input is rounded before its bias is added, and of several rows a slice is strided.
    contiguous: list[bool] = []
    linears = [module for module in denoiser.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [
        one.register_forward_pre_hook(lambda _, given: contiguous.append(given[0].is_contiguous())) for one in linears
    ]
    try:
        members = [trajectory(denoiser, seed, scales=GuidanceScales(0, 1), steps=2) for seed in range(count)]
        run_together(Company(denoiser, exact=False), members)
    finally:
        for hook in hooks:
            hook.remove()
    assert len(contiguous) > len(linears)
    assert all(contiguous)
