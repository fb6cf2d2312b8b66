"""From a preset to networks with weights, one at a time, so that a process loads only what it runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from apg_core.background import BackgroundRemover, NeuralBackgroundRemover, PlainBackgroundRemover, Removed
from apg_core.errors import BackendMissingError, WeightsMissingError
from apg_core.models.background import BackgroundNet
from apg_core.models.checkpoints import assign_weights, image_encoder_state, read_state_dict
from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.sampling import PartSampler
from apg_core.presets import Preset
from apg_core.presets.weights import CHECKPOINTS, find_weights, sha256_of
from apg_core.protocol.arrays import FeatureArray, Image
from apg_core.protocol.manifest import InputEntry, Provenance

Network = TypeVar("Network", bound=nn.Module)


def pick_device(name: str | None = None) -> torch.device:
    """The device of this name, or the best one here.

    Raises:
        BackendMissingError: it is no device of this machine.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BackendMissingError(f"unknown device {name!r}; try cpu or cuda", field="device") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BackendMissingError(
            f"device {name!r} was asked for and torch sees no GPU; use --device cpu, or install a CUDA build of torch",
            field="device",
        )
    return device


class ModelLoader:
    """Builds a preset's networks with their weights: bf16 on a GPU, fp32 on a CPU."""

    def __init__(
        self,
        preset: Preset,
        *,
        device: torch.device,
        checkpoints: Sequence[Path] = (CHECKPOINTS,),
        dtype: torch.dtype | None = None,
    ) -> None:
        self.preset = preset
        self.device = device
        self._checkpoints = tuple(checkpoints)
        self._dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)

    def denoiser(self) -> PartDit:
        """The part denoiser."""
        return self._load("dit", lambda: PartDit(self.preset.dit))

    def vae(self) -> ShapeVae:
        """The shape autoencoder."""
        return self._load("vae", lambda: ShapeVae(self.preset.vae))

    def image_encoder(self) -> ImageEncoder:
        """The image encoder."""
        return self._load("image_encoder", lambda: ImageEncoder(self.preset.image_encoder))

    def background_remover(self) -> BackgroundRemover:
        """RMBG-1.4 where its weights are, read at first use; the classical remover where the preset allows it.

        Raises:
            WeightsMissingError: at first use, where the preset insists on RMBG-1.4 and it is not there.
        """
        if self.preset.background == "plain":
            return PlainBackgroundRemover()
        if self.preset.background == "auto" and self._path("background") is None:
            return PlainBackgroundRemover()
        return _ReadAtFirstUse(
            lambda: NeuralBackgroundRemover(self._load("background", BackgroundNet, dtype=torch.float32), self.device)
        )

    def part_sampler(self, *, dropped: FeatureArray | None = None) -> PartSampler:
        """The sampling stage; `dropped` are the features of no image, where the caller has them already.

        They are a constant: the encoder is loaded for them, and let go.
        """
        if dropped is None:
            dropped = FeatureExtractor(self.image_encoder()).dropped()
        return PartSampler(
            self.denoiser(),
            schedule=self.preset.schedule,
            latent_scale=self.preset.latent_scale,
            num_latents=self.preset.num_latents,
            dropped=dropped,
        )

    def provenance(self, inputs: Mapping[str, InputEntry]) -> Provenance:
        """What a manifest says of this preset and these inputs."""
        return Provenance(
            preset=self.preset.name,
            random_weights=self.preset.random_seed is not None,
            weights=self.weight_hashes(),
            inputs=inputs,
        )

    def weight_hashes(self) -> dict[str, str]:
        """sha256 of each weight file that is there."""
        paths = {network: self._path(network) for network in self.preset.weights}
        return {network: sha256_of(path) for network, path in paths.items() if path is not None}

    def _path(self, network: str) -> Path | None:
        if network not in self.preset.weights:
            return None
        try:
            return find_weights(self.preset, network, self._checkpoints)
        except WeightsMissingError:
            return None

    def _load(self, network: str, build: Callable[[], Network], *, dtype: torch.dtype | None = None) -> Network:
        if self.preset.random_seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.preset.random_seed)
                module = build()
        else:
            path = find_weights(self.preset, network, self._checkpoints)
            state = read_state_dict(path)
            with torch.device("meta"):  # no memory of its own: the peak is one copy of the weights
                module = build()
            assign_weights(
                module, image_encoder_state(state) if network == "image_encoder" else state, source=path.name
            )
        return module.to(self.device, dtype or self._dtype).eval().requires_grad_(False)


class _ReadAtFirstUse:
    """A background remover whose weights are read when the first image needs them; a mesh never does."""

    def __init__(self, load: Callable[[], BackgroundRemover]) -> None:
        self._load = load
        self._remover: BackgroundRemover | None = None

    def remove(self, image: Image) -> Removed:
        self._remover = self._remover or self._load()
        return self._remover.remove(image)
