"""Several samples of one latent, and which of them to keep (docs/how-it-works.md, "Best of several")."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apg_core.geometry.extent import Extent
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.seeds import sample_seeds
from apg_core.pipeline.stages import LatentRequest
from apg_core.protocol.arrays import LatentArray
from apg_core.protocol.stage import Stage


@dataclass(frozen=True, eq=False)
class Sample:
    """A latent (VAE scale) and the seed of its trajectory."""

    seed: int
    latent: LatentArray


async def draw_samples(brief: Brief, stage: Stage, request: LatentRequest) -> Sequence[Sample]:
    """`best_of` samples of the request's latent; the first has the request's own seed."""
    seeds = sample_seeds(request.seed, brief.options.best_of)
    requests = [replace(request, seed=seed) for seed in seeds]
    latents = await brief.clock(stage, brief.stages.sample_latents(requests, brief.sink.on_step()))
    return [Sample(seed, latent) for seed, latent in zip(seeds, latents, strict=True)]


async def most_typical_first(brief: Brief, samples: Sequence[Sample], within: Extent | None = None) -> Sequence[Sample]:
    """The samples in order, the one whose shape is most like the others' first."""
    if len(samples) == 1:
        return samples
    latents = [sample.latent for sample in samples]
    agreement = np.array(await brief.clock(Stage.AGREEMENT, brief.stages.measure_agreement(latents, within)))
    return [samples[place] for place in np.argsort(-agreement, kind="stable")]
