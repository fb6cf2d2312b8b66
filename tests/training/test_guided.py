"""Guidance that is taken into the weights: what they learn to answer, and for which rows."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from apg_core.models.shape_vae import ShapeVae
from training.objects.families import TRAINED
from training.pool import make_chunk
from training.sizes import TINY_VAE
from training.train_dit import (
    PART_GUIDANCE,
    WHOLE_GUIDANCE,
    DenoisingBatch,
    PartGenerator,
    Sampler,
    empty_latent,
    guided_target,
)


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    folder: Path = tmp_path_factory.mktemp("pool")
    torch.manual_seed(0)
    vae = ShapeVae(TINY_VAE).eval()
    make_chunk(vae, count=6, seed=1, families={"mushroom": TRAINED["mushroom"]}).save(folder / "chunk_0000.pt")
    return Sampler(folder, scale=2.0, empty=empty_latent(vae, 1024), seed=0, guided=True)


def test_a_network_that_follows_its_targets_settles_at_the_guided_velocity() -> None:
    generator = torch.Generator().manual_seed(0)
    velocity, unseen = torch.randn(2, 3, 5, 4, generator=generator)
    scale = torch.tensor([1.0, 1.5, 3.5])
    found = torch.zeros_like(velocity)
    for _ in range(200):
        found = found + 0.3 * (guided_target(velocity, found, unseen, scale) - found)
    torch.testing.assert_close(found, unseen + scale[:, None, None] * (velocity - unseen), atol=1e-4, rtol=1e-4)


def test_rows_that_see_nothing_have_no_guidance(sampler: Sampler) -> None:
    wholes, parts = sampler.wholes(64), sampler.parts(64)
    assert wholes.guidance is not None
    assert parts.guidance is not None
    pictured = torch.zeros(64, dtype=torch.bool).index_fill(0, wholes.pictured, True)
    assert torch.equal(wholes.guidance, torch.where(pictured, WHOLE_GUIDANCE, 1.0))
    seeing = parts.geometry.abs().amax((1, 2, 3)) > 0
    assert not seeing.all()
    assert torch.equal(parts.guidance, torch.where(seeing, PART_GUIDANCE, 1.0))


def test_the_loss_is_to_the_guided_target_of_the_network_itself(sampler: Sampler) -> None:
    torch.manual_seed(1)
    generator = PartGenerator().eval()
    for weight in generator.dit.parameters():  # a new network answers zero to everything
        torch.nn.init.normal_(weight, std=0.05)
    batch = sampler.parts(16)
    assert batch.guidance is not None
    nothing = replace(
        batch,
        geometry=torch.zeros_like(batch.geometry),
        pictured=batch.pictured[:0],
        whole_picture=batch.whole_picture[:0],
        part_picture=None,
    )
    noisy, velocity = _noisy(generator, batch)
    with torch.no_grad():
        found, unseen = (_answer(generator, one, noisy) for one in (batch, nothing))
    assert (found - unseen).abs().max() > 0.01
    target = guided_target(velocity, found, unseen, batch.guidance)
    torch.testing.assert_close(generator(batch)["total"].detach(), ((found - target) ** 2).mean(), rtol=1e-4, atol=0)


def _noisy(generator: PartGenerator, batch: DenoisingBatch) -> tuple[torch.Tensor, torch.Tensor]:
    alpha = generator.alphas[batch.timestep][:, None, None]
    signal, noise = alpha.sqrt(), (1 - alpha).sqrt()
    return signal * batch.target + noise * batch.noise, signal * batch.noise - noise * batch.target


def _answer(generator: PartGenerator, batch: DenoisingBatch, noisy: torch.Tensor) -> torch.Tensor:
    context = generator.dit.context(generator.image_context(batch), batch.geometry, batch.sigma)
    return generator.dit(noisy, batch.timestep, context)
