"""What a parity folder holds: inputs, known outputs, weights, and the networks that these weights make."""

import dataclasses
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from apg_core.inputs import read_image, read_mask
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.loading import ModelLoader
from apg_core.pipeline.sampling import PartSampler
from apg_core.presets import Preset, load_preset
from apg_core.presets.preset import WeightSource
from apg_core.protocol.arrays import Image, Labels
from apg_core.protocol.limits import InputLimits

CASES_FILE = "cases.safetensors"
NOISE_DEVICE = torch.device("cpu")  # where the noise of the known outputs was drawn
WEIGHTS = {
    "dit": WeightSource(files=("dit.pth", "dit.safetensors")),
    "vae": WeightSource(files=("vae.pth", "vae.safetensors")),
    "image_encoder": WeightSource(files=("dinov2_hub.pth", "dinov2.pth", "dinov2.safetensors")),
}


class Absent(KeyError):  # noqa: N818 - a folder need not have every case
    """A tensor or file that this folder does not have."""

    def __str__(self) -> str:
        return f"{self.args[0]} is not in this folder"


class ParityFolder:
    """One folder of cases; everything runs in fp32, and is read or built when it is first asked for."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.device = device
        preset = load_preset(path / "config.yaml")
        self.preset: Preset = dataclasses.replace(preset, weights=WEIGHTS)
        self._path = path
        self._loader = ModelLoader(self.preset, device=device, checkpoints=(), precision="fp32")
        self._tensors = load_file(path / CASES_FILE)

    @property
    def outputs(self) -> list[str]:
        """Names of the known outputs."""
        return sorted(name for name in self._tensors if ".out." in name)

    def tensor(self, name: str) -> Tensor:
        """An input or output, on the folder's device.

        Raises:
            Absent: it is not there.
        """
        if name not in self._tensors:
            raise Absent(name)
        return self._tensors[name].to(self.device)

    def picture(self, name: str) -> Image:
        """An image of the folder."""
        return read_image(self._file(name), InputLimits())

    def mask(self, name: str) -> Labels:
        """An indexed mask of the folder."""
        return read_mask(self._file(name), InputLimits())

    def _file(self, name: str) -> Path:
        path = self._path / name
        if not path.is_file():
            raise Absent(name)
        return path

    @cached_property
    def denoiser(self) -> PartDit:
        return self._loader.denoiser()

    @cached_property
    def vae(self) -> ShapeVae:
        return self._loader.vae()

    @cached_property
    def extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self._loader.image_encoder())

    @cached_property
    def sampler(self) -> PartSampler:
        return self._loader.part_sampler(dropped=self.extractor.dropped(), noise_device=NOISE_DEVICE)
