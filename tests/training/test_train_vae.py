"""Training one half of the autoencoder leaves the other as it is."""

from itertools import islice

import pytest
import torch

from apg_core.models.shape_vae import ShapeVae
from training.sizes import TINY_VAE
from training.train_vae import FieldLoss, Half, field_batches

ENCODER, DECODER = ("encoder.", "quant."), ("decoder.", "post_quant.")


@pytest.mark.parametrize(("only", "trained"), [(None, ENCODER + DECODER), ("encoder", ENCODER), ("decoder", DECODER)])
def test_only_the_named_half_changes(only: Half | None, trained: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    vae = ShapeVae(TINY_VAE)
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    loss = FieldLoss(vae, only=only)
    ((_, batch),) = islice(field_batches(batch=2, queries=16, seed=1), 1)
    parameters = [value for value in loss.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    loss(batch)["total"].backward()
    optimizer.step()
    changed = {name for name, value in vae.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(trained) for name in changed)
    assert {name.split(".")[0] + "." for name in changed} == set(trained)
