"""The image stage on the encoder's device: features."""

from collections.abc import Sequence

import numpy as np
import torch

from apg_core.models.image_encoder import ImageEncoder
from apg_core.protocol.arrays import FeatureArray, RgbImage

WHITE = 255


class FeatureExtractor:
    """Turns prepared images into the encoder's tokens."""

    def __init__(self, encoder: ImageEncoder) -> None:
        self.encoder = encoder

    @property
    def input_size(self) -> int:
        """Pixels along an edge of a prepared image."""
        return self.encoder.config.input_image_size

    @torch.inference_mode()
    def extract(self, images: Sequence[RgbImage]) -> list[FeatureArray]:
        """Features of each image, in one batch; on a CPU one by one, so that none depends on how many there are."""
        device = next(self.encoder.parameters()).device
        if device.type == "cpu" and len(images) > 1:
            return [features for image in images for features in self.extract([image])]
        pixels = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / WHITE
        return list(self.encoder(pixels).float().cpu().numpy())

    def dropped(self) -> FeatureArray:
        """Features of the all-zero image: what the denoiser sees in place of an image that is left out."""
        return self.extract([np.zeros((self.input_size, self.input_size, 3), np.uint8)])[0]
