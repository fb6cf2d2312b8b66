"""The stages of a batch around the generation: reading, background, features, writing. One actor class each."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from apg_core.inputs import InputLimits
from apg_core.pipeline.conditioning import FeatureExtractor, ImagePreparer
from apg_core.pipeline.finishing import artifacts
from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.pipeline.prepare import mask_regions
from apg_core.presets import load_preset
from apg_core.protocol.artifacts import InputEntry
from apg_core.protocol.prompt import MaskedImageMeshPrompt, MaskedImagePrompt, MeshPrompt, Prompt
from cluster.items import Kind
from cluster.results import Outcome
from cluster.storage import Place, open_folder
from cluster.work import Row, RowStage, Work
from deployments.decoding.decoder import Decoder
from deployments.decoding.messages import DecodeRequest
from deployments.decoding.prompts import unpack_prompt


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which networks to load, and where they run."""

    preset: str
    device: str | None = None
    checkpoints: Path

    def loader(self) -> ModelLoader:
        """A loader of the preset's networks on this process's device."""
        return ModelLoader(load_preset(self.preset), device=pick_device(self.device), checkpoints=(self.checkpoints,))


@dataclass(frozen=True, kw_only=True)
class ReadLimits:
    """What reading one object may take."""

    inputs: InputLimits
    seconds: float = 120.0
    memory_bytes: int = 4 * 2**30


class ReadInputs(RowStage):
    """Fetches and decodes an object's files, in a process that a bad file may kill."""

    def __init__(self, limits: ReadLimits) -> None:
        self._limits = limits
        self._decoder = Decoder(processes=1, memory_bytes=limits.memory_bytes)
        self._started = False
        self._starting = asyncio.Lock()

    async def advance(self, work: Work) -> Work:
        """The work with its prompt."""
        async with self._starting:
            if not self._started:  # its processes end with this one, which closes their input
                await self._decoder.__aenter__()
                self._started = True
        with tempfile.TemporaryDirectory(prefix="apg-batch-") as folder:
            sources = work.item.sources()
            contents = {kind: place.read(self._limits.inputs, field=kind) for kind, place in sources.items()}
            prompt = await self._decode(contents, sources, Path(folder))
        inputs: dict[str, InputEntry] = {
            kind: InputEntry(name=sources[kind].name, sha256=hashlib.sha256(content).hexdigest())
            for kind, content in contents.items()
        }
        return replace(work, prompt=prompt, inputs=inputs)

    async def _decode(self, contents: dict[Kind, bytes], sources: dict[Kind, Place], folder: Path) -> Prompt:
        paths = {kind: folder / f"{kind}{Path(place.name).suffix}" for kind, place in sources.items()}
        for kind, path in paths.items():
            path.write_bytes(contents[kind])
        output = folder / "prompt.npz"
        request = DecodeRequest(**paths, limits=self._limits.inputs, seconds=self._limits.seconds, output=output)
        await self._decoder.decode(request)
        return unpack_prompt(output.read_bytes())


class PrepareImages(RowStage):
    """Removes the background and crops the object and its regions."""

    def __init__(self, models: Models) -> None:
        loader = models.loader()
        self._preparer = ImagePreparer(loader.background_remover(), size=loader.preset.image_encoder.input_image_size)

    async def advance(self, work: Work) -> Work:
        """The work with its prepared images; a mesh alone has none."""
        prompt = work.prompt
        if prompt is None or isinstance(prompt, MeshPrompt):
            return work
        started = time.perf_counter()
        mask = prompt.mask if isinstance(prompt, MaskedImagePrompt | MaskedImageMeshPrompt) else None
        labels: Sequence[int] = [] if mask is None else mask_regions(mask)
        prepared = self._preparer.prepare(prompt.image, mask, labels, remove_background=work.options.remove_background)
        # Nobody needs the picture as it was any more, and it may have millions of pixels.
        advanced = replace(work, prepared=prepared, prompt=replace(prompt, image=prepared.whole))
        return advanced.timed("background", time.perf_counter() - started)


class EncodeImages(RowStage):
    """Turns prepared images into features."""

    def __init__(self, models: Models) -> None:
        self._features = FeatureExtractor(models.loader().image_encoder())

    async def advance(self, work: Work) -> Work:
        """The work with the features of the whole and of each region."""
        if work.prepared is None:
            return work
        started = time.perf_counter()
        features = self._features.extract([work.prepared.whole, *work.prepared.regions])
        return replace(work, features=tuple(features)).timed("encode", time.perf_counter() - started)


class WriteResults(RowStage):
    """Makes the files of a finished generation and writes them to the object's folder, the manifest last."""

    def __init__(self, output: Place) -> None:
        self._output = output

    async def __call__(self, row: Row) -> Row:
        """How the object ended: an `Outcome` as a row."""
        return asdict(Outcome.of(Work.of(await super().__call__(row))))

    async def advance(self, work: Work) -> Work:
        """The work, written."""
        assert work.ending is not None
        assert work.prompt is not None
        assert work.provenance is not None
        folder = open_folder(self._output.join(work.item.id))
        folder.clear_results()
        made = artifacts(
            work.ending, prompt=work.prompt, options=work.options, provenance=work.provenance, whole=work.whole
        )
        for artifact in made:
            folder.write(artifact.name, artifact.content)
        return work
