"""Trains the network that says which pieces belong together, and writes it for `apg_core` to run."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors.torch import save_file
from torch import Tensor, nn

from apg_core.geometry.parts.relations import Relations
from training.cut_objects import CutObject
from training.grouping_net import GroupingNet
from training.loop import learning_rate

logger = logging.getLogger(__name__)

TOGETHER, SORTED = 12, 8
"""Objects in a batch; batches are cut from this many times as many objects, sorted by their number of pieces."""
PEAK_RATE, WEIGHT_DECAY, EMA = 2e-3, 0.05, 0.998
NOISE = 0.12
"""Deviation of the noise on each measure, in its own deviations."""
HIDDEN = 0.12
"""Share of the measures that an object's pieces, or pairs, hide."""
TOUCHING = 3.0
"""How much more a pair counts that touches."""
LICENCE = "Apache-2.0"

Batch = tuple[
    Float[Tensor, "B K A"],
    Float[Tensor, "B K K P"],
    Bool[Tensor, "B K"],
    Float[Tensor, "B K K"],
    Float[Tensor, "B K K"],
]


def train_grouping(objects: Sequence[CutObject], *, seconds: float, seed: int = 0) -> GroupingNet:
    """A network trained for so long, with averaged weights."""
    several = [each for each in objects if len(each.relations.volumes) > 1]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = GroupingNet(
        _spread([each.relations.alone for each in several]), _spread([each.relations.pairs for each in several[::3]])
    )
    average = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    started, running = time.monotonic(), 0.0
    for step, batch in enumerate(_batches(several, rng), 1):
        progress = (time.monotonic() - started) / seconds
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(progress, peak=PEAK_RATE, warmup=0.03)
        total = loss(net, _blurred(net, batch))
        total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        decay = min(EMA, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        running = 0.98 * (running or total.item()) + 0.02 * total.item()
        if step % 100 == 0:
            logger.info("step %d at %.0f %% loss %.4f", step, 100 * progress, running)
    net.load_state_dict(average)
    return net.eval()


def loss(net: GroupingNet, batch: Batch) -> Tensor:
    """Cross entropy of all pairs; each object counts the same, large and touching pieces more."""
    alone, pairs, there, same, weight = batch
    each = nn.functional.binary_cross_entropy_with_logits(net(alone, pairs, there), same, reduction="none")
    return (weight * each).sum() / len(alone)


def export_grouping(nets: Sequence[GroupingNet], path: Path) -> None:
    """Write the networks, whose log odds are averaged, in half precision."""
    halves = {
        f"{i}.{name}": value.to(torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for i, net in enumerate(nets)
        for name, value in net.state_dict().items()
    }
    temporary = path.with_suffix(".tmp")
    save_file(halves, temporary, metadata={"licence": LICENCE, "network": "grouping"})
    temporary.chmod(0o644)
    temporary.rename(path)


def collate(objects: Sequence[CutObject]) -> Batch:
    """Objects side by side; where one has fewer pieces than another, the rest is not there."""
    most = max(len(each.relations.volumes) for each in objects)
    relations = [each.relations for each in objects]

    def padded(values: Sequence[np.ndarray], axes: int) -> Tensor:
        widths = [[(0, most - len(value))] * axes + [(0, 0)] * (value.ndim - axes) for value in values]
        return torch.from_numpy(
            np.stack([np.pad(value, width) for value, width in zip(values, widths, strict=True)]).astype(np.float32)
        )

    return (
        padded([r.alone for r in relations], 1),
        padded([r.pairs for r in relations], 2),
        padded([np.ones(len(r.volumes)) for r in relations], 1) > 0,
        padded([each.same for each in objects], 2),
        padded([_weights(r) for r in relations], 2),
    )


def _weights(relations: Relations) -> Float[np.ndarray, "K K"]:
    volumes = relations.volumes / relations.volumes.sum()
    weights = np.outer(volumes, volumes) ** 0.25 * np.where(relations.contact > 0, TOUCHING, 1.0)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights / max(weights.sum(), 1e-12))


def _batches(objects: Sequence[CutObject], rng: np.random.Generator) -> Iterator[Batch]:
    while True:
        order, block = rng.permutation(len(objects)), TOGETHER * SORTED
        for start in range(0, len(order), block):
            some = sorted(order[start : start + block], key=lambda i: len(objects[i].relations.volumes))
            groups = [some[i : i + TOGETHER] for i in range(0, len(some), TOGETHER)]
            for i in rng.permutation(len(groups)):
                yield collate([_seen_otherwise(objects[j], rng) for j in groups[i]])


def _seen_otherwise(each: CutObject, rng: np.random.Generator) -> CutObject:
    """The object mirrored, and turned by a right angle about the vertical, by chance."""
    relations = each.relations
    for axis in (0, 2):
        if rng.random() < 0.5:
            relations = relations.mirrored(axis)
    return CutObject(relations.turned() if rng.random() < 0.5 else relations, each.shares)


def _blurred(net: GroupingNet, batch: Batch) -> Batch:
    alone, pairs, there, same, weight = batch
    blurred = []
    for values, mean, scale in ((alone, net.alone_mean, net.alone_scale), (pairs, net.pairs_mean, net.pairs_scale)):
        values = values + NOISE * scale * torch.randn_like(values)
        hidden = torch.rand(len(values), *[1] * (values.ndim - 2), values.shape[-1]) < HIDDEN
        blurred.append(torch.where(hidden, mean, values))
    return blurred[0], blurred[1], there, same, weight


def _spread(values: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    every = np.concatenate([value.reshape(-1, value.shape[-1]) for value in values])
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-3
    return torch.from_numpy(mean).float(), torch.from_numpy(deviation).float()
