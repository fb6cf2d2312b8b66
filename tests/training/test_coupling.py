"""Which noise token becomes which latent token: free to choose, since the denoiser knows no order."""

from itertools import permutations

import torch

from apg_core.models.part_dit import PartDit
from training.sizes import TINY_DIT
from training.train_dit import nearest_order


def test_the_order_is_the_nearest_of_all_orders() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, target = (torch.randn(3, 5, 4, generator=generator) for _ in range(2))
    found = nearest_order(noise, target)
    for row in range(3):
        distances = {(noise[row, list(order)] - target[row]).square().sum().item() for order in permutations(range(5))}
        torch.testing.assert_close((found[row] - target[row]).square().sum().item(), min(distances))


def test_the_tokens_stay_the_same_as_a_set() -> None:
    generator = torch.Generator().manual_seed(1)
    noise, target = (torch.randn(4, 64, 16, generator=generator) for _ in range(2))
    found = nearest_order(noise, target)
    for before, after in zip(noise, found, strict=True):
        order = torch.cdist(after, before).argmin(dim=1)
        assert order.unique().numel() == 64
        assert torch.equal(before[order], after)


def test_the_denoiser_knows_no_order_of_tokens() -> None:
    generator = torch.Generator().manual_seed(2)
    dit = PartDit(TINY_DIT).eval()
    noisy = torch.randn(2, 64, TINY_DIT.latent_channels, generator=generator)
    image = torch.randn(2, 9, 2 * TINY_DIT.image_width, generator=generator)
    geometry = torch.randn(2, 2, 64, TINY_DIT.latent_channels, generator=generator)
    order = torch.randperm(64, generator=generator)
    with torch.no_grad():
        context = dit.context(image, geometry)
        timestep = torch.tensor([300, 900])
        straight, shuffled = dit(noisy, timestep, context), dit(noisy[:, order], timestep, context)
    assert straight.abs().max() > 0.1
    torch.testing.assert_close(straight[:, order], shuffled, atol=2e-5, rtol=2e-5)
