"""For a GPU that is too small for all networks at once: what a stage does not need leaves it."""

import torch
from torch import nn

from apg_core.pipeline.memory import fit
from apg_core.presets import Preset

_HOST = torch.device("cpu")


def needs_turns(preset: Preset, device: torch.device) -> bool:
    """Whether the free memory of a GPU holds the preset's networks one at a time only."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return fit(preset, free) != "whole"


class Turns:
    """Networks of which at most one is on the device; the others wait in the machine's memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there: nn.Module | None = None

    def bring(self, network: nn.Module) -> None:
        """Have this network on the device, in place of the one that is there."""
        if network is not self._there:
            self.clear()
            self._there = network.to(self._device)

    def rest(self, network: nn.Module) -> None:
        """Have a network that was loaded onto the device wait for its turn."""
        network.to(_HOST)
        self.clear()

    def clear(self) -> None:
        """Have none on the device."""
        if self._there is not None:
            self._there.to(_HOST)
            self._there = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
