"""Requests that share denoising steps get the latents they would get alone, and end alone."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from apg_core.diffusion.schedule import Schedule
from apg_core.errors import SamplingError
from apg_core.models.part_dit import PartDit
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.shared_sampling import SharedSampler
from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.presets import load_preset
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.options import GuidanceScales

TOLERANCE = 1e-4
STEPS = 4
TOKENS, IMAGE_WIDTH, LATENTS, CHANNELS = 21, 48, 32, 16


@pytest.fixture(scope="module")
def sampler() -> PartSampler:
    preset = load_preset("nano")
    torch.manual_seed(0)
    return PartSampler(
        PartDit(preset.dit).eval(),
        schedule=Schedule(),
        latent_scale=preset.latent_scale,
        num_latents=LATENTS,
        dropped=np.zeros((TOKENS, IMAGE_WIDTH), np.float32),
    )


@pytest.fixture
def shared(sampler: PartSampler) -> Iterator[SharedSampler]:
    made = SharedSampler(sampler, max_rows=6)
    yield made
    made.close()


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def whole(seed: int, *, steps: int = STEPS, scale: float = 7.0) -> LatentRequest:
    features = drawn(seed, TOKENS, IMAGE_WIDTH)
    return LatentRequest(features=features, guidance=GuidanceScales(scale, 0), seed=seed, steps=steps, sigma_floor=0)


def part(seed: int, *, steps: int = STEPS) -> LatentRequest:
    return LatentRequest(
        features=drawn(seed, TOKENS, IMAGE_WIDTH),
        geometry=Geometry(whole=drawn(seed + 1, LATENTS, CHANNELS), history=drawn(seed + 2, LATENTS, CHANNELS)),
        guidance=GuidanceScales(image=3.0, geometry=1.5),
        seed=seed,
        steps=steps,
        sigma_floor=0,
    )


def test_many_requests_get_the_latents_that_each_gets_alone(sampler: PartSampler, shared: SharedSampler) -> None:
    requests: list[LatentRequest] = [whole(1), part(2), part(3, steps=7), whole(4, steps=2), part(5)]

    async def together() -> list[LatentArray]:
        return list(await asyncio.gather(*(shared.sample(request) for request in requests)))

    for request, latent in zip(requests, asyncio.run(together()), strict=True):
        np.testing.assert_allclose(latent, sampler.sample(request), atol=TOLERANCE)
    assert shared.rows == 0


def test_samples_of_one_request_are_those_that_each_seed_gives_alone(
    sampler: PartSampler, shared: SharedSampler
) -> None:
    requests = [replace(part(1), seed=seed) for seed in (5, 6, 7)]  # nine rows: they cannot all join at once
    told: list[tuple[int, int]] = []
    many = asyncio.run(shared.sample_together(requests, on_step=lambda done, total: told.append((done, total))))
    for request, latent, local in zip(requests, many, sampler.sample_together(requests), strict=True):
        np.testing.assert_allclose(latent, sampler.sample(request), atol=TOLERANCE)
        np.testing.assert_allclose(local, latent, atol=TOLERANCE)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_when_one_of_the_samples_fails_the_others_end_too(shared: SharedSampler) -> None:
    async def one_wrong() -> int:
        with pytest.raises(SamplingError):
            await shared.sample_together([whole(1, scale=1e38), whole(2, steps=1000), whole(3, steps=1000)])
        await shared.sample(whole(4))
        return shared.rows

    assert asyncio.run(one_wrong()) == 0


def test_a_step_never_costs_more_rows_than_allowed_and_all_are_served_in_order(shared: SharedSampler) -> None:
    seen: list[int] = []
    finished: list[int] = []

    async def one(seed: int) -> None:
        await shared.sample(whole(seed), on_step=lambda done, total: seen.append(shared.rows))
        finished.append(seed)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(seed) for seed in range(8)))

    asyncio.run(all_of_them())
    assert max(seen) == 6
    assert finished == sorted(finished)
    assert len(seen) == 8 * STEPS


def test_a_request_that_is_wider_than_the_limit_runs_alone(sampler: PartSampler) -> None:
    narrow = SharedSampler(sampler, max_rows=1)
    latent = asyncio.run(narrow.sample(part(1)))
    narrow.close()
    np.testing.assert_allclose(latent, sampler.sample(part(1)), atol=TOLERANCE)


def test_every_step_is_told_in_order(shared: SharedSampler) -> None:
    told: list[tuple[int, int]] = []
    asyncio.run(shared.sample(part(1), on_step=lambda done, total: told.append((done, total))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_cancelled_task_leaves_the_batch_and_the_others_alone(sampler: PartSampler, shared: SharedSampler) -> None:
    async def cancel_midway() -> tuple[LatentArray, int]:
        reached = asyncio.Event()
        task = asyncio.create_task(shared.sample(whole(1, steps=1000), on_step=lambda done, total: reached.set()))
        other = asyncio.create_task(shared.sample(whole(2)))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await other, shared.rows

    other, rows = asyncio.run(cancel_midway())
    assert rows == 0
    np.testing.assert_allclose(other, sampler.sample(whole(2)), atol=TOLERANCE)


def test_numbers_that_go_out_of_range_end_one_request_only(sampler: PartSampler, shared: SharedSampler) -> None:
    async def two() -> tuple[LatentArray | BaseException, ...]:
        wrong, right = shared.sample(whole(1, scale=1e38)), shared.sample(whole(2))
        return tuple(await asyncio.gather(wrong, right, return_exceptions=True))

    wrong, right = asyncio.run(two())
    assert isinstance(wrong, SamplingError)
    assert isinstance(right, np.ndarray)
    np.testing.assert_allclose(right, sampler.sample(whole(2)), atol=TOLERANCE)


def test_a_request_that_cannot_become_a_trajectory_fails_alone(shared: SharedSampler) -> None:
    async def two() -> tuple[LatentArray | BaseException, ...]:
        wrong = LatentRequest(
            features=drawn(1, 3, 5), guidance=GuidanceScales(7, 0), seed=1, steps=STEPS, sigma_floor=0
        )
        return tuple(await asyncio.gather(shared.sample(wrong), shared.sample(whole(2)), return_exceptions=True))

    wrong, right = asyncio.run(two())
    assert isinstance(wrong, RuntimeError)
    assert isinstance(right, np.ndarray)


def test_a_fault_in_a_step_ends_those_that_shared_it_and_no_later_one(
    sampler: PartSampler, shared: SharedSampler
) -> None:
    def fault(done: int, total: int) -> None:
        raise ConnectionError("the listener went away")

    async def then_another() -> tuple[BaseException | LatentArray, LatentArray]:
        (first,) = await asyncio.gather(shared.sample(whole(1), on_step=fault), return_exceptions=True)
        return first, await shared.sample(whole(2))

    first, second = asyncio.run(then_another())
    assert isinstance(first, ConnectionError)
    np.testing.assert_allclose(second, sampler.sample(whole(2)), atol=TOLERANCE)


def test_a_noise_floor_above_all_noise_gives_the_first_noise(sampler: PartSampler, shared: SharedSampler) -> None:
    request = LatentRequest(
        features=drawn(1, TOKENS, IMAGE_WIDTH), guidance=GuidanceScales(7, 0), seed=1, steps=STEPS, sigma_floor=1e9
    )
    np.testing.assert_array_equal(asyncio.run(shared.sample(request)), sampler.sample(request))
