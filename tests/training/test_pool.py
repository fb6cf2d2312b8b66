"""Prepared objects, and the batches that the denoiser is trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from apg_core.models.shape_vae import ShapeVae
from training.objects.draw import draw_objects
from training.objects.families import TRAINED
from training.pool import MOST_PARTS, Chunk, fill_pool, make_chunk
from training.samples import FIELD_BAND, FIELD_LIMIT, field_batch, field_of
from training.sizes import CHANNELS, LATENTS, TINY_VAE
from training.train_dit import PartGenerator, Sampler, empty_latent


@pytest.fixture(scope="module")
def vae() -> ShapeVae:
    torch.manual_seed(0)
    return ShapeVae(TINY_VAE).eval()


@pytest.fixture(scope="module")
def chunk(vae: ShapeVae) -> Chunk:
    return make_chunk(vae, count=6, seed=1, families={name: TRAINED[name] for name in ("mushroom", "dumbbell")})


def test_field_is_positive_inside_proportional_near_the_surface_and_saturates() -> None:
    distance = torch.tensor([-1.0, -1e-3, 0.0, 1e-3, 1.0])
    slope = FIELD_LIMIT / FIELD_BAND
    expected = torch.tensor([FIELD_LIMIT, 1e-3 * slope, 0.0, -1e-3 * slope, -FIELD_LIMIT])
    torch.testing.assert_close(field_of(distance), expected, atol=1e-4, rtol=1e-3)


def test_field_batches_have_distinct_farthest_points_and_queries_inside_the_cube() -> None:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    objects, _ = draw_objects(TRAINED, 4, rng=rng)
    batch = field_batch(objects, points=256, latents=32, queries=64, rng=rng, generator=generator)
    assert all(len(row.unique()) == 32 for row in batch.farthest)
    assert batch.queries.abs().max() <= 1.01
    assert batch.field.abs().max() <= FIELD_LIMIT
    assert (batch.field > 0).any()
    assert (batch.field < 0).any()


def test_a_chunk_holds_nothing_past_the_last_part(chunk: Chunk) -> None:
    past = torch.arange(MOST_PARTS) >= chunk.counts[:, None]
    for latents in (chunk.parts, chunk.beginnings):
        assert latents[past].abs().max() == 0
        assert latents[~past].abs().amax((1, 2)).min() > 0
    for row, count in enumerate(chunk.counts.tolist()):
        assert set(chunk.seen[row].unique().tolist()) <= set(range(-1, count))


def test_a_pool_is_only_filled_where_chunks_are_missing(vae: ShapeVae, tmp_path: Path) -> None:
    fill_pool(tmp_path, vae, chunks=1, objects=4)
    before = (tmp_path / "chunk_0000.pt").stat().st_mtime_ns
    fill_pool(tmp_path, vae, chunks=1, objects=4)
    assert (tmp_path / "chunk_0000.pt").stat().st_mtime_ns == before
    assert len(Chunk.load(tmp_path / "chunk_0000.pt").counts) == 4


def test_ends_are_zero_latents_and_the_first_history_is_the_empty_one(
    vae: ShapeVae, chunk: Chunk, tmp_path: Path
) -> None:
    chunk.save(tmp_path / "chunk_0000.pt")
    empty = empty_latent(vae, 1024)
    sampler = Sampler(tmp_path, scale=2.0, empty=empty, seed=0)
    batch = sampler.parts(256)
    ends = batch.target.abs().amax((1, 2)) == 0
    assert 0.1 < ends.float().mean() < 0.5
    if batch.sigma is None:
        first = (batch.geometry[:, 1] - 2 * empty).abs().amax((1, 2)) < 1e-5
        assert first.any()
        assert not (first & ends).any()
    assert batch.target.shape[1:] == (LATENTS, CHANNELS)


def test_wholes_come_from_framed_objects_over_one_zero_slot(vae: ShapeVae, chunk: Chunk, tmp_path: Path) -> None:
    chunk.save(tmp_path / "chunk_0000.pt")
    batch = Sampler(tmp_path, scale=2.0, empty=empty_latent(vae, 1024), seed=0).wholes(16)
    framed = 2 * chunk.whole[chunk.framed == 1].float()
    assert batch.geometry.shape[1] == 1
    assert batch.geometry.abs().max() == 0
    for target in batch.target:
        assert (framed - target).abs().amax((1, 2)).min() == 0


def test_the_denoiser_loss_reaches_every_network(chunk: Chunk, vae: ShapeVae, tmp_path: Path) -> None:
    chunk.save(tmp_path / "chunk_0000.pt")
    generator = PartGenerator()
    batch = Sampler(tmp_path, scale=2.0, empty=empty_latent(vae, 1024), seed=0).wholes(4)
    generator(batch)["total"].backward()
    for weight in (generator.dit.proj_in.weight, generator.image_encoder.backbone.embeddings.cls_token):
        assert weight.grad is not None
        assert weight.grad.abs().max() > 0
