"""The stages of images: background and crop, then features. One actor class each."""

import time
from dataclasses import replace

from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.image_preparer import ImagePreparer
from apg_core.pipeline.whole import Seen
from apg_core.protocol.stage import Stage
from cluster.models import Models
from cluster.work import RowStage, Work


class PrepareImages(RowStage):
    """Removes the background and crops the object and its regions."""

    def __init__(self, models: Models) -> None:
        loader = models.loader()
        self._preparer = ImagePreparer(loader.background_remover(), size=loader.preset.image_encoder.input_image_size)

    async def advance(self, work: Work) -> Work:
        """The work with its prepared images; a mesh alone has none."""
        prompt = work.prompt
        if prompt is None or prompt.image is None:
            return work
        started = time.perf_counter()
        prepared = self._preparer.prepare(
            prompt.image, prompt.mask, prompt.regions or (), remove_background=work.options.remove_background
        )
        # Nobody needs the picture as it was any more, and it may have millions of pixels.
        advanced = replace(work, prepared=prepared, prompt=replace(prompt, image=prepared.whole))
        return advanced.timed(Stage.BACKGROUND, time.perf_counter() - started)


class EncodeImages(RowStage):
    """Turns prepared images into features."""

    def __init__(self, models: Models) -> None:
        self._features = FeatureExtractor(models.loader().image_encoder())

    async def advance(self, work: Work) -> Work:
        """The work with what is seen in its pictures: features of the whole and of each region."""
        if work.prepared is None:
            return work
        started = time.perf_counter()
        features = self._features.extract([work.prepared.whole, *work.prepared.regions])
        seen = Seen.of(work.prepared, features)
        return replace(work, prepared=None, seen=seen).timed(Stage.ENCODE, time.perf_counter() - started)
