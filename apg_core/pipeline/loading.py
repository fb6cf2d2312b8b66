"""From a preset to networks with weights, one at a time, so that a process loads only what it runs."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from apg_core.background.neural import NeuralBackgroundRemover
from apg_core.background.plain import PlainBackgroundRemover
from apg_core.background.remover import BackgroundRemover, Removed
from apg_core.errors import BackendMissingError
from apg_core.models.background import BackgroundNet
from apg_core.models.checkpoints import assign_weights, image_encoder_state, read_state_dict, saved_as
from apg_core.models.image_encoder import ImageEncoder
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.dropped import kept_dropped
from apg_core.pipeline.sampling import PartSampler
from apg_core.presets import Preset
from apg_core.presets.preset import Precision, PrecisionChoice
from apg_core.presets.published import RELEASE_FILES
from apg_core.presets.weights import (
    CHECKPOINTS,
    find_weights,
    provenance_of,
    removes_plainly,
    weight_hashes,
    weights_there,
)
from apg_core.protocol.arrays import FeatureArray, Image, RgbImage
from apg_core.protocol.manifest import Provenance
from apg_core.protocol.mode import InputEntry

log = logging.getLogger(__name__)

Network = TypeVar("Network", bound=nn.Module)
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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


def weight_doubt(path: Path) -> str | None:
    """Why a file may be another preset's: it was saved under the name of another published file.

    No more than a doubt, for a publisher may rename a file; the manifest's hashes are certain.
    """
    name = f"{saved_as(path)}.pth"
    if path.name in RELEASE_FILES and name in RELEASE_FILES - {path.name}:
        return f"{path} was saved as {name}: make sure that it is not another preset's"
    return None


class ModelLoader:
    """Builds a preset's networks with their weights, in the precision that is chosen or the preset's for the device."""

    def __init__(
        self,
        preset: Preset,
        *,
        device: torch.device,
        checkpoints: Sequence[Path] = (CHECKPOINTS,),
        precision: PrecisionChoice = "auto",
    ) -> None:
        self.preset = preset
        self.device = device
        self._checkpoints = tuple(checkpoints)
        self._precision = preset.precision_on(device.type, precision)

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
        if removes_plainly(self.preset, self._checkpoints):
            return PlainBackgroundRemover()
        return _ReadAtFirstUse(
            lambda: NeuralBackgroundRemover(self._load("background", BackgroundNet, dtype=torch.float32), self.device)
        )

    def features(self) -> "FeaturesAtFirstUse":
        """The feature stage, whose encoder is loaded when the first image comes."""
        return FeaturesAtFirstUse(lambda: FeatureExtractor(self.image_encoder()))

    def dropped(self, features: "FeaturesAtFirstUse | None" = None) -> FeatureArray:
        """The features of no image: kept beside the encoder's weights, or computed by `features` or for this once."""
        path = self._path("image_encoder")
        kept = None if path is None else kept_dropped(path)
        return (features or self.features()).dropped() if kept is None else kept

    def part_sampler(
        self,
        *,
        dropped: FeatureArray | None = None,
        noise_device: torch.device | None = None,
        exact: bool | None = None,
    ) -> PartSampler:
        """The sampling stage; noise is drawn on the sampling device where no other is named.

        `dropped` are the features of no image, where the caller has them already; for `exact` see `Company`.
        """
        return PartSampler(
            self.denoiser(),
            schedule=self.preset.schedule,
            latent_scale=self.preset.latent_scale,
            num_latents=self.preset.num_latents,
            dropped=self.dropped() if dropped is None else dropped,
            noise_device=noise_device,
            exact=exact,
        )

    def provenance(self, inputs: Mapping[str, InputEntry], *, weights: Mapping[str, str] | None = None) -> Provenance:
        """What a manifest says of this preset and these inputs; `weights` are the hashes, where somebody has them."""
        folders = self._checkpoints
        return provenance_of(self.preset, folders, precision=self._precision, inputs=inputs, weights=weights)

    def weight_hashes(self) -> dict[str, str]:
        """sha256 of each weight file that is there."""
        return weight_hashes(self.preset, self._checkpoints)

    def _path(self, network: str) -> Path | None:
        return weights_there(self.preset, network, self._checkpoints)

    def _load(self, network: str, build: Callable[[], Network], *, dtype: torch.dtype | None = None) -> Network:
        if self.preset.random_seed is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.preset.random_seed)
                module = build()
        else:
            path = find_weights(self.preset, network, self._checkpoints)
            if (doubt := weight_doubt(path)) is not None:
                log.warning("%s: %s", network, doubt)
            state = read_state_dict(path)
            with torch.device("meta"):  # no memory of its own: the peak is one copy of the weights
                module = build()
            if isinstance(module, ImageEncoder):
                state = image_encoder_state(state)
            assign_weights(module, state, source=path.name)
        return module.to(self.device, dtype or DTYPES[self._precision]).eval().requires_grad_(False)


class AtFirstUse:
    """Something that is loaded when one of its methods is first asked for."""

    def __init__(self, load: Callable[[], object]) -> None:
        self._load = load

    @cached_property
    def _loaded(self) -> object:
        return self._load()

    def __getattr__(self, name: str) -> Any:  # whatever it is that is loaded
        return getattr(self._loaded, name)


class WeightsAtFirstUse(Mapping[str, str]):
    """The hashes of a loader's weight files, which are read when the first is asked for."""

    def __init__(self, loader: ModelLoader) -> None:
        self._loader = loader

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return self._loader.weight_hashes()

    def __getitem__(self, network: str) -> str:
        return self._hashes[network]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)


class FeaturesAtFirstUse:
    """A `FeatureExtractor` that is loaded when it is first needed; a mesh alone never does."""

    def __init__(self, load: Callable[[], FeatureExtractor]) -> None:
        self._load = load

    @property
    def loaded(self) -> bool:
        """Whether that was so already."""
        return "extractor" in vars(self)

    @cached_property
    def extractor(self) -> FeatureExtractor:
        """The extractor itself."""
        return self._load()

    def extract(self, images: Sequence[RgbImage]) -> list[FeatureArray]:
        """Features of each image, in one batch."""
        return self.extractor.extract(images)

    def dropped(self) -> FeatureArray:
        """Features of the all-zero image."""
        return self.extractor.dropped()


class _ReadAtFirstUse:
    """A background remover whose weights are read when the first image needs them; a mesh never does."""

    def __init__(self, load: Callable[[], BackgroundRemover]) -> None:
        self._load = load
        self._remover: BackgroundRemover | None = None

    def remove(self, image: Image) -> Removed:
        self._remover = self._remover or self._load()
        return self._remover.remove(image)
