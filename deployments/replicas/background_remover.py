"""The deployment that removes backgrounds and crops."""

from collections.abc import Sequence

import numpy as np

from apg_core.pipeline.conditioning import ImagePreparer
from apg_core.pipeline.stages import PreparedImages
from apg_core.protocol.arrays import Image, Labels
from deployments.replicas.networks import loader
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings


class BackgroundRemoverReplica(Replica):
    """Prepares images, one request at a time in each of the replica's threads."""

    def __init__(self, models: ModelSettings) -> None:
        networks = loader(models)
        self._preparer = ImagePreparer(
            networks.background_remover(), size=networks.preset.image_encoder.input_image_size
        )
        warm_up = np.full((64, 64, 3), 255, np.uint8)
        warm_up[16:48, 16:48] = 60
        self._preparer.prepare(warm_up, None, [], remove_background=True)

    def prepare(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        """The whole and the mask regions on white."""
        return self._preparer.prepare(image, mask, labels, remove_background=remove_background)
