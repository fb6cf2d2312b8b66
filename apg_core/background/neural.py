"""Background removal by RMBG-1.4."""

import numpy as np
import torch
import torch.nn.functional as F

from apg_core.background.remover import Removed
from apg_core.models.background import BackgroundNet
from apg_core.protocol.arrays import Image

INPUT_SIZE = 1024
WHITE = 255


class NeuralBackgroundRemover:
    """Runs the network on the whole picture and takes its map as alpha (spec/models.md, "RMBG-1.4")."""

    def __init__(self, net: BackgroundNet, device: torch.device) -> None:
        self._net = net
        self._device = device

    @torch.inference_mode()
    def remove(self, image: Image) -> Removed:
        """Alpha from 0 to 255, stretched so that both ends are reached."""
        rgb = np.ascontiguousarray(image[..., :3])
        pixels = torch.from_numpy(rgb.copy()).to(self._device).permute(2, 0, 1)[None].float() / WHITE
        square = F.interpolate(pixels, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False)
        found = self._net(square - 0.5)
        soft = F.interpolate(found.float(), rgb.shape[:2], mode="bilinear", align_corners=False)[0, 0]
        low, high = soft.min(), soft.max()
        if high <= low:
            return Removed(
                _with_alpha(rgb, np.full(rgb.shape[:2], WHITE, np.uint8)), "rmbg-1.4", True, "nothing stands out"
            )
        alpha = ((soft - low) / (high - low) * WHITE).to(torch.uint8).cpu().numpy()
        return Removed(_with_alpha(rgb, alpha), "rmbg-1.4")


def _with_alpha(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.dstack([rgb, alpha])
