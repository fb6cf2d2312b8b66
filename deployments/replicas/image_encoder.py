"""The deployment that turns prepared images into features, many requests in one pass."""

import asyncio
from collections.abc import Sequence
from itertools import islice

from ray import serve

from apg_core.protocol.arrays import FeatureArray, RgbImage
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings

IMAGES_AT_ONCE = 16
REQUESTS_AT_ONCE = 8
WAIT_SECONDS = 0.01


class ImageEncoderReplica(Replica):
    """Encodes images; requests that come together share a pass."""

    def __init__(self, models: ModelSettings) -> None:
        from apg_core.pipeline.conditioning import FeatureExtractor  # torch, which callers of this class need not load
        from deployments.replicas.networks import loader

        self._extractor = FeatureExtractor(loader(models).image_encoder())
        self._extractor.dropped()  # warm-up

    async def encode(self, images: Sequence[RgbImage]) -> list[FeatureArray]:
        """Features of each image."""
        features: list[FeatureArray] = await self._encode_together(images)
        return features

    @serve.batch(max_batch_size=REQUESTS_AT_ONCE, batch_wait_timeout_s=WAIT_SECONDS)
    async def _encode_together(self, requests: list[Sequence[RgbImage]]) -> list[list[FeatureArray]]:
        images = [image for request in requests for image in request]
        features = []
        for start in range(0, len(images), IMAGES_AT_ONCE):
            features += await asyncio.to_thread(self._extractor.extract, images[start : start + IMAGES_AT_ONCE])
        remaining = iter(features)
        return [list(islice(remaining, len(request))) for request in requests]
