"""A device that runs out of memory does less at once; nothing fails that can run alone. Memory is simulated here."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from torch import nn

from apg_core import GenerationOptions, generate_from_mesh, load_pipeline
from apg_core.diffusion.trajectories import TrajectoryBatch
from apg_core.errors import DeviceMemoryError
from apg_core.pipeline.codec import FEWEST_QUERIES, ShapeCodec, query_bucket
from apg_core.pipeline.low_memory import Turns
from apg_core.pipeline.memory import GB, fit, memory
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.shared_sampling import SharedSampler
from apg_core.pipeline.stages import Geometry, LatentRequest
from apg_core.pipeline.warm_up import warm_up_requests
from apg_core.presets import load_preset
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.options import DecodeOptions, GuidanceScales

NANO = load_preset("nano")
TOLERANCE = 1e-4
ROWS_OF_A_PART = 3


@pytest.fixture(scope="module")
def stages() -> Any:
    loaded = load_pipeline("nano", "cpu").stages
    loaded.sampler.company.exact = False  # as on a GPU, which is what may run out of memory
    return loaded


def latent(seed: int) -> LatentArray:
    return np.random.default_rng(seed).standard_normal((NANO.num_latents, NANO.dit.latent_channels), np.float32)


def part(seed: int, *, steps: int = 3) -> LatentRequest:
    shape = (NANO.image_encoder.num_tokens, NANO.dit.image_width)
    return LatentRequest(
        features=np.random.default_rng(seed).standard_normal(shape, np.float32),
        geometry=Geometry(latent(seed + 100), latent(seed + 200)),
        guidance=GuidanceScales(image=3.0, geometry=1.5),
        seed=seed,
        steps=steps,
        sigma_floor=0,
    )


@contextmanager
def room_for(network: nn.Module, most: int, *, call: str = "forward") -> Iterator[list[int]]:
    """The network's device has room for so many rows (or points) at once; gives what was done at once."""
    original, done = getattr(network, call), []

    def limited(*arguments: torch.Tensor) -> torch.Tensor:
        size = len(arguments[0]) if call == "forward" else arguments[1].shape[1]
        if size > most:
            raise torch.OutOfMemoryError(f"no room for {size}")
        done.append(size)
        result: torch.Tensor = original(*arguments)
        return result

    setattr(network, call, limited)
    try:
        yield done
    finally:
        delattr(network, call)


@pytest.mark.parametrize("most", [8, 5, 3, 2, 1])
def test_no_job_ends_for_lack_of_memory_that_can_run_a_row_at_a_time(stages: Any, most: int) -> None:
    sampler: PartSampler = stages.sampler
    requests = [part(seed, steps=steps) for seed, steps in ((1, 3), (2, 4), (3, 3))]
    expected = [sampler.sample(request) for request in requests]
    shared = SharedSampler(sampler, max_rows=len(requests) * ROWS_OF_A_PART)

    async def together() -> list[LatentArray]:
        return list(await asyncio.gather(*(shared.sample(request) for request in requests)))

    with room_for(sampler.denoiser, most) as done:
        latents = asyncio.run(together())
    shared.close()
    for sampled, alone in zip(latents, expected, strict=True):
        np.testing.assert_allclose(sampled, alone, atol=TOLERANCE)
    assert 0 < max(done) <= most


def test_who_cannot_run_a_row_alone_fails_with_what_to_set(stages: Any) -> None:
    shared = SharedSampler(stages.sampler, max_rows=6)

    async def two() -> list[LatentArray | BaseException]:
        calls = (shared.sample(part(1)), shared.sample(part(2)))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    with room_for(stages.sampler.denoiser, 0):
        for error in asyncio.run(two()):
            assert isinstance(error, DeviceMemoryError)
            assert "low_memory" in str(error)
    assert shared.rows == 0
    later = asyncio.run(shared.sample(part(1)))
    shared.close()
    np.testing.assert_allclose(later, stages.sampler.sample(part(1)), atol=TOLERANCE)


def test_a_request_whose_conditions_do_not_fit_waits_until_others_have_left(
    stages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler: PartSampler = stages.sampler
    expected = [sampler.sample(part(seed)) for seed in (1, 2)]
    shared = SharedSampler(sampler, max_rows=6)
    original = sampler.trajectory

    def one_at_a_time(request: LatentRequest) -> Any:
        if shared.rows:
            raise torch.OutOfMemoryError("no room for another context")
        return original(request)

    monkeypatch.setattr(sampler, "trajectory", one_at_a_time)

    async def both() -> list[LatentArray]:
        return list(await asyncio.gather(shared.sample(part(1)), shared.sample(part(2))))

    latents = asyncio.run(both())
    shared.close()
    for sampled, alone in zip(latents, expected, strict=True):
        np.testing.assert_allclose(sampled, alone, atol=TOLERANCE)


def test_a_batch_that_ran_out_of_memory_once_keeps_to_what_there_was_room_for(stages: Any) -> None:
    sampler: PartSampler = stages.sampler
    batch = TrajectoryBatch(sampler.company)
    for seed in range(4):
        batch.join(sampler.trajectory(part(seed)))
    with room_for(sampler.denoiser, 6) as done:
        batch.step()
    assert done == [6, 6]
    with room_for(sampler.denoiser, 100) as done:
        batch.step()
    assert done == [6, 6]


def test_warm_up_and_work_run_in_one_thread_with_the_same_rows(stages: Any) -> None:
    seen: list[tuple[int, int]] = []
    hook = stages.sampler.denoiser.register_forward_pre_hook(
        lambda _, arguments: seen.append((threading.get_ident(), len(arguments[0])))
    )
    shared = SharedSampler(stages.sampler, max_rows=48)
    shared.warm_up(warm_up_requests(NANO))
    warm = set(seen)
    seen.clear()
    options = NANO.complete(GenerationOptions())
    asked = replace(part(1), guidance=NANO.part_guidance("image", options))
    asyncio.run(shared.sample_together([replace(asked, seed=seed) for seed in range(options.best_of)]))
    hook.remove()
    shared.close()
    assert len({thread for thread, _ in warm}) == 1
    assert threading.get_ident() not in {thread for thread, _ in warm}
    assert seen
    assert set(seen) <= warm


def test_a_decode_that_has_no_room_looks_at_fewer_points_at_once_and_finds_the_same(stages: Any) -> None:
    vae, options = stages.codec.vae, DecodeOptions(grid_size=64)
    expected = ShapeCodec(vae, few_shapes=True).decode(latent(0), options)
    with room_for(vae, 2_048, call="field") as done:
        band = ShapeCodec(vae, few_shapes=True).decode(latent(0), options)
    assert max(done) == 2_048
    np.testing.assert_array_equal(band.cells, expected.cells)
    np.testing.assert_allclose(band.values, expected.values, atol=1e-5)
    with room_for(vae, FEWEST_QUERIES - 1, call="field"), pytest.raises(DeviceMemoryError, match="1024 points"):
        ShapeCodec(vae, few_shapes=True).decode(latent(0), options)


def test_decodes_for_a_gpu_have_few_numbers_of_points(stages: Any) -> None:
    vae = stages.codec.vae
    with room_for(vae, 10**9, call="field") as done:
        codec = ShapeCodec(vae, few_shapes=True)
        for seed in range(3):
            for grid in (32, 64):
                codec.decode(latent(seed), DecodeOptions(grid_size=grid))
    assert len(done) > 10
    assert set(done) <= {2**power for power in range(10, 17)}


@pytest.mark.parametrize(("count", "bucket"), [(1, 1024), (1024, 1024), (1025, 2048), (65_536, 65_536)])
def test_a_number_of_points_becomes_the_next_power_of_two(count: int, bucket: int) -> None:
    assert query_bucket(count) == bucket


class Watched(Turns):
    """Remembers whose turn it was."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.turns: set[str] = set()

    def bring(self, network: nn.Module) -> None:
        super().bring(network)
        self.turns.add(type(network).__name__)


def test_with_low_memory_networks_take_turns_and_the_meshes_are_the_same_bytes(tmp_path: Path) -> None:
    options = GenerationOptions(max_parts=2, grid_size=32, num_inference_steps=2, show_progress=False, preview=False)
    box = trimesh.creation.box((1, 2, 1))
    for folder, low in (("all", False), ("turns", True)):
        pipeline = load_pipeline("nano", "cpu", low_memory=low)
        assert (pipeline.stages.turns is not None) == low
        generate_from_mesh(pipeline, box, output_dir=tmp_path / folder, options=options)
    meshes = sorted((tmp_path / "all").glob("*.glb"))
    assert meshes
    for path in meshes:
        assert path.read_bytes() == (tmp_path / "turns" / path.name).read_bytes()
    watched = Watched()
    again = replace(pipeline, stages=replace(pipeline.stages, turns=watched))
    generate_from_mesh(again, box, options=options)
    assert watched.turns == {"PartDit", "ShapeVae"}


def test_a_network_leaves_the_device_before_another_comes() -> None:
    moves: list[tuple[int, str]] = []

    class Recorded(nn.Linear):
        def to(self, device: torch.device) -> "Recorded":  # type: ignore[override]
            moves.append((self.out_features, device.type))
            return self

    first, second = Recorded(1, 1), Recorded(1, 2)
    turns = Turns(torch.device("meta"))
    for network in (first, first, second, first):
        turns.bring(network)
    assert moves == [(1, "meta"), (1, "cpu"), (2, "meta"), (2, "cpu"), (1, "meta")]


@pytest.mark.parametrize("name", ["autopartgen-2048", "autopartgen-4096"])
def test_what_fits_grows_with_the_card(name: str) -> None:
    order = ["none", "low_memory", "whole"]
    fits = [order.index(fit(load_preset(name), size * GB)) for size in (2, 6, 8, 12, 24, 80)]
    assert fits == sorted(fits)
    assert fits[0] == 0
    assert fits[2] >= 1  # 8 GB
    assert fits[-1] == 2


def test_a_row_of_more_tokens_takes_more_memory() -> None:
    small, large = (memory(load_preset(name)) for name in ("autopartgen-2048", "autopartgen-4096"))
    assert small.row < large.row


def test_a_whole_that_cannot_be_fitted_to_its_outline_stays_as_it_was_sampled(stages: Any) -> None:
    codec: ShapeCodec = stages.codec
    shown = np.zeros((32, 32), np.float32)
    shown[8:24, 8:24] = 1
    with room_for(codec.vae, 0, call="field"):
        np.testing.assert_array_equal(codec.fit_to_outline(latent(0), shown, 0), latent(0))
