"""The stages in this process, and a preset's networks loaded behind them."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from apg_core.geometry.extent import Extent
from apg_core.geometry.parts.overlap import SurfaceCells
from apg_core.geometry.values import Cleaned, RegionPicture, Reopened, Surface
from apg_core.pipeline.codec import ShapeCodec
from apg_core.pipeline.image_preparer import ImagePreparer
from apg_core.pipeline.loading import AtFirstUse, FeaturesAtFirstUse, ModelLoader, WeightsAtFirstUse, pick_device
from apg_core.pipeline.low_memory import Turns, needs_turns
from apg_core.pipeline.meshing import MeshWorker
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.stages import CleanedPart, FittedParts, LatentRequest, OnStep, PreparedImages
from apg_core.presets import DEFAULT_PRESET, Preset, load_preset
from apg_core.presets.preset import PrecisionChoice
from apg_core.presets.weights import CHECKPOINTS
from apg_core.protocol.arrays import Coverage, FeatureArray, Image, Labels, LatentArray, RgbImage
from apg_core.protocol.manifest import Provenance
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import CleanupOptions, DecodeOptions, MeshOptions

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class LocalStages:
    """The stages in this process; awaiting one computes it at once."""

    images: ImagePreparer
    features: FeaturesAtFirstUse
    sampler: PartSampler | AtFirstUse
    codec: ShapeCodec | AtFirstUse
    meshes: MeshWorker
    turns: Turns | None
    """Where the networks take turns on the device."""

    async def prepare_images(
        self, image: Image, mask: Labels | None, labels: Sequence[int], *, remove_background: bool
    ) -> PreparedImages:
        return self.images.prepare(image, mask, labels, remove_background=remove_background)

    async def encode_images(self, images: Sequence[RgbImage]) -> Sequence[FeatureArray]:
        if self.turns is not None:
            self.turns.clear()  # the encoder comes onto the device by itself when it is first needed
            self.turns.bring(self.features.extractor.encoder)
        return self.features.extract(images)

    async def sample_surface(self, mesh: TriangleMesh, seed: int) -> Surface:
        return self.meshes.sample_surface(mesh, seed)

    async def encode_surface(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        self._bring(self.codec.vae)
        return self.codec.encode(surface, posterior_seed=posterior_seed)

    async def sample_latents(self, requests: Sequence[LatentRequest], on_step: OnStep | None) -> Sequence[LatentArray]:
        self._bring(self.sampler.denoiser)
        return self.sampler.sample_together(requests, on_step=on_step)

    async def find_extent(self, whole: LatentArray, mesh: TriangleMesh | None) -> Extent:
        if mesh is not None:
            return self.meshes.extent(mesh)
        self._bring(self.codec.vae)
        return self.codec.extent(whole)

    async def measure_agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> Sequence[float]:
        self._bring(self.codec.vae)
        return self.codec.agreement(latents, within)

    async def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> LatentArray:
        self._bring(self.codec.vae)
        return self.codec.fit_to_outline(latent, outline, seed)

    async def decode_mesh(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        self._bring(self.codec.vae)
        return self.meshes.extract(self.codec.decode(latent, options, within), options)

    async def measure_overlap(self, mesh: TriangleMesh, accepted: SurfaceCells) -> float:
        return self.meshes.overlap(mesh, accepted)

    async def measure_cover(self, given: TriangleMesh, accepted: SurfaceCells) -> float:
        return self.meshes.cover(given, accepted)

    async def clean_part(self, mesh: TriangleMesh, options: CleanupOptions, grid_size: int) -> CleanedPart:
        return self.meshes.clean(mesh, options, grid_size)

    async def fit_parts(
        self,
        parts: Sequence[TriangleMesh],
        given: TriangleMesh,
        options: MeshOptions,
        picture: RegionPicture | None = None,
    ) -> FittedParts:
        return self.meshes.fit(parts, given, options, picture)

    async def merge_parts(self, parts: Sequence[TriangleMesh]) -> Cleaned:
        return self.meshes.merge(parts)

    async def refit_parts(self, parts: Sequence[TriangleMesh], reopened: Reopened, options: MeshOptions) -> FittedParts:
        return self.meshes.refit(parts, reopened, options)

    def _bring(self, network: nn.Module) -> None:
        if self.turns is not None:
            self.turns.bring(network)


@dataclass(frozen=True, eq=False)
class Pipeline:
    """A preset with its networks loaded, ready to generate."""

    preset: Preset
    stages: LocalStages
    provenance: Provenance
    """What a manifest says of the preset; it has no inputs yet."""


def load_pipeline(
    preset: str | Path | Preset = DEFAULT_PRESET,
    device: str | None = None,
    *,
    checkpoints: Path = CHECKPOINTS,
    precision: PrecisionChoice = "auto",
    low_memory: bool | None = None,
) -> Pipeline:
    """Load a preset's networks: by name, or by the path of a preset folder or of a published config file.

    `precision` is what weights are held in; `auto` is the preset's own for the device. With `low_memory` one network at
    a time is on the device, which takes some time with each part; None chooses that where a GPU's free memory says so.

    Raises:
        PresetError: there is no such preset.
        WeightsMissingError: a weight file is not there; the message says how to get it.
        WeightsMismatchError: a weight file is another model's.
        BackendMissingError: `device` is not there.
    """
    loading = _Loading.of(preset, device, checkpoints=checkpoints, precision=precision, low_memory=low_memory)
    stages = loading.stages(loading.sampler(), loading.codec())
    return Pipeline(loading.loader.preset, stages, loading.loader.provenance(inputs={}))


def load_at_first_use(
    preset: str | Path | Preset = DEFAULT_PRESET,
    device: str | None = None,
    *,
    checkpoints: Path = CHECKPOINTS,
    precision: PrecisionChoice = "auto",
    low_memory: bool | None = None,
) -> Pipeline:
    """As `load_pipeline`, but for edits, of which many need no network: each is loaded when it is first needed."""
    loading = _Loading.of(preset, device, checkpoints=checkpoints, precision=precision, low_memory=low_memory)
    stages = loading.stages(AtFirstUse(loading.sampler), AtFirstUse(loading.codec))
    loader = loading.loader
    return Pipeline(loader.preset, stages, loader.provenance(inputs={}, weights=WeightsAtFirstUse(loader)))


@dataclass(frozen=True, eq=False)
class _Loading:
    """How the stages of a preset are loaded."""

    loader: ModelLoader
    features: FeaturesAtFirstUse
    turns: Turns | None

    @classmethod
    def of(
        cls,
        preset: str | Path | Preset,
        device: str | None,
        *,
        checkpoints: Path,
        precision: PrecisionChoice,
        low_memory: bool | None,
    ) -> "_Loading":
        chosen = preset if isinstance(preset, Preset) else load_preset(preset)
        on = pick_device(device)
        loader = ModelLoader(chosen, device=on, checkpoints=(checkpoints,), precision=precision)
        turns = Turns(on) if (needs_turns(chosen, on) if low_memory is None else low_memory) else None
        return cls(loader, loader.features(), turns)

    def sampler(self) -> PartSampler:
        dropped = self.loader.dropped(self.features)
        if self.features.loaded:
            self._rest(self.features.extractor.encoder)
        sampler = self.loader.part_sampler(dropped=dropped)
        self._rest(sampler.denoiser)
        return sampler

    def codec(self) -> ShapeCodec:
        codec = ShapeCodec(self.loader.vae())
        self._rest(codec.vae)
        return codec

    def stages(self, sampler: PartSampler | AtFirstUse, codec: ShapeCodec | AtFirstUse) -> LocalStages:
        preset = self.loader.preset
        return LocalStages(
            images=ImagePreparer(self.loader.background_remover(), size=preset.image_encoder.input_image_size),
            features=self.features,
            sampler=sampler,
            codec=codec,
            meshes=MeshWorker(preset.surface),
            turns=self.turns,
        )

    def _rest(self, network: nn.Module) -> None:
        if self.turns is not None:
            self.turns.rest(network)


def run_at_once(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine that never has to wait gives, with or without an event loop around."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: Result = finished.value
        return result
    work.close()
    raise RuntimeError("a local stage tried to wait for something")
