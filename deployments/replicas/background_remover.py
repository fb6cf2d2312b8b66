"""The deployment that removes backgrounds and crops."""

from collections.abc import Sequence

import numpy as np

from apg_core.background.remover import BackgroundRemover
from apg_core.pipeline.stages import PreparedImages
from apg_core.presets import load_preset
from apg_core.presets.weights import removes_plainly
from apg_core.protocol.arrays import Image, Labels
from deployments.replicas.process import set_up_process
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings


class BackgroundRemoverReplica(Replica):
    """Prepares images, one request at a time in each of the replica's threads."""

    def __init__(self, models: ModelSettings) -> None:
        from apg_core.pipeline.image_preparer import ImagePreparer  # Pillow, which callers of this class need not load

        set_up_process()
        size = load_preset(models.preset).image_encoder.input_image_size
        self._preparer = ImagePreparer(_remover(models), size=size)
        warm_up = np.full((64, 64, 3), 255, np.uint8)
        warm_up[16:48, 16:48] = 60
        self._preparer.prepare(warm_up, None, [], remove_background=True)

    def prepare(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        """The whole and the mask regions on white."""
        return self._preparer.prepare(image, mask, labels, remove_background=remove_background)


def _remover(models: ModelSettings) -> BackgroundRemover:
    if removes_plainly(load_preset(models.preset), (models.checkpoints,)):
        from apg_core.background.plain import PlainBackgroundRemover

        return PlainBackgroundRemover()
    from deployments.replicas.networks import loader  # torch, which the plain way can do without

    return loader(models).background_remover()
