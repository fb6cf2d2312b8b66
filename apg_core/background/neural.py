"""Background removal by RMBG-1.4."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from apg_core.background.remover import Removed
from apg_core.protocol.arrays import Image

METHOD = "rmbg-1.4"
INPUT_SIZE = 1024  # the size it was trained at
WHITE = OPAQUE = 255


class NeuralBackgroundRemover:
    """Takes the network's map of the whole picture as alpha (docs/how-it-works.md, "Generation step by step")."""

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        self._net = net.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def remove(self, image: Image) -> Removed:
        """Alpha from 0 to 255, stretched so that both ends are reached; all opaque, and unsure, if it is flat."""
        rgb = np.array(image[..., :3])
        pixels = torch.from_numpy(rgb).to(self._device).permute(2, 0, 1)[None].float() / WHITE
        square = F.interpolate(pixels, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False)
        found: Tensor = self._net(square - 0.5)
        soft = F.interpolate(found.float(), rgb.shape[:2], mode="bilinear", align_corners=False)[0, 0]
        low, high = soft.min(), soft.max()
        if high <= low:
            opaque = np.full(rgb.shape[:2], OPAQUE, np.uint8)
            return Removed(np.dstack([rgb, opaque]), METHOD, unsure=True, note="no object stands out")
        alpha = ((soft - low) / (high - low) * OPAQUE).to(torch.uint8).cpu().numpy()
        return Removed(np.dstack([rgb, alpha]), METHOD)
