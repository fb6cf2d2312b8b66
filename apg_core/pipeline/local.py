"""A generation in this process: what the command line and Python callers use."""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from apg_core.inputs import InputLimits, check_image, check_mask, check_mesh, read_image, read_mask, read_mesh
from apg_core.output import OutputFolder
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.finishing import Provenance, artifacts, early_part_file
from apg_core.pipeline.generate import generate
from apg_core.pipeline.local_stages import LocalStages, Pipeline, load_pipeline
from apg_core.pipeline.prepare import mask_regions
from apg_core.pipeline.stages import OnStep
from apg_core.progress import Progress, Silent, on_terminal
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.artifacts import AcceptedPart, FailedRegion, InputEntry, Manifest
from apg_core.protocol.job import JobStage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import MaskedImageMeshPrompt, MaskedImagePrompt, Prompt, check_combination, make_prompt

__all__ = [
    "Generation",
    "LocalStages",
    "Pipeline",
    "generate_from_image",
    "generate_from_image_and_mask",
    "generate_from_image_and_mesh",
    "generate_from_mesh",
    "generate_parts",
    "load_pipeline",
]

Result = TypeVar("Result")
Value = TypeVar("Value", np.ndarray, TriangleMesh)
ImageSource = Path | str | np.ndarray
MeshSource = Path | str | TriangleMesh
MaskSource = Path | str | np.ndarray


@dataclass(frozen=True, eq=False)
class Generation:
    """What came out: the parts in memory, the manifest, and the folder they were written to, if any."""

    parts: tuple[AcceptedPart, ...]
    manifest: Manifest
    output_dir: Path | None


def generate_from_image(
    pipeline: Pipeline,
    image: ImageSource,
    *,
    output_dir: Path | str | None = None,
    options: GenerationOptions | None = None,
) -> Generation:
    """The parts of the object in a picture."""
    return generate_parts(pipeline, image=image, output_dir=output_dir, options=options)


def generate_from_mesh(
    pipeline: Pipeline,
    mesh: MeshSource,
    *,
    output_dir: Path | str | None = None,
    options: GenerationOptions | None = None,
) -> Generation:
    """The parts of a whole mesh."""
    return generate_parts(pipeline, mesh=mesh, output_dir=output_dir, options=options)


def generate_from_image_and_mesh(
    pipeline: Pipeline,
    image: ImageSource,
    mesh: MeshSource,
    *,
    output_dir: Path | str | None = None,
    options: GenerationOptions | None = None,
) -> Generation:
    """The parts of a whole mesh, with a picture of it."""
    return generate_parts(pipeline, image=image, mesh=mesh, output_dir=output_dir, options=options)


def generate_from_image_and_mask(
    pipeline: Pipeline,
    image: ImageSource,
    mask: MaskSource,
    mesh: MeshSource | None = None,
    *,
    output_dir: Path | str | None = None,
    options: GenerationOptions | None = None,
) -> Generation:
    """One part for each region of an indexed mask."""
    return generate_parts(pipeline, image=image, mesh=mesh, mask=mask, output_dir=output_dir, options=options)


def generate_parts(
    pipeline: Pipeline,
    *,
    image: ImageSource | None = None,
    mesh: MeshSource | None = None,
    mask: MaskSource | None = None,
    output_dir: Path | str | None = None,
    options: GenerationOptions | None = None,
    limits: InputLimits | None = None,
    progress: Progress | None = None,
) -> Generation:
    """The parts of whatever was given; the other functions are this one in each mode.

    With `output_dir`, each part is written as soon as it is accepted, and the manifest last.

    Raises:
        InputError: an input or an option cannot be used.
        OutputError: `output_dir` cannot be written; parts written before stay.
    """
    chosen = pipeline.preset.complete(options or GenerationOptions())
    prompt, entries = _read(image, mesh, mask, limits or InputLimits())
    folder = None if output_dir is None else OutputFolder(Path(output_dir))
    if folder is not None:
        folder.clear_results()
    if progress is None:
        progress = on_terminal() if chosen.show_progress else Silent()
    with progress:
        return _generate(pipeline, prompt, chosen, entries, folder, progress)


def _generate(
    pipeline: Pipeline,
    prompt: Prompt,
    options: GenerationOptions,
    entries: dict[str, InputEntry],
    folder: OutputFolder | None,
    progress: Progress,
) -> Generation:
    stages = pipeline.stages
    regions = None
    if isinstance(prompt, MaskedImagePrompt | MaskedImageMeshPrompt):
        regions = len(mask_regions(prompt.mask))
    sink = _LocalSink(folder, progress, regions)
    ending: Ending = _run(generate(prompt, options, preset=pipeline.preset, stages=stages, sink=sink))
    whole = _run(stages.decode_mesh(ending.whole, options)) if options.save_whole else None
    progress.stage(JobStage.PACKAGE, part=None, attempt=0)
    provenance = Provenance(
        preset=pipeline.preset.name,
        random_weights=pipeline.preset.random_seed is not None,
        weights=pipeline.weight_hashes,
        inputs=entries,
    )
    manifest = None
    for artifact in artifacts(ending, prompt=prompt, options=options, provenance=provenance, whole=whole):
        if folder is not None:
            folder.write(artifact.name, artifact.content)
        if artifact.name == "manifest.json":
            manifest = Manifest.model_validate_json(artifact.content)
    assert manifest is not None
    progress.done(manifest)
    return Generation(ending.parts, manifest, None if folder is None else folder.path)


class _LocalSink:
    def __init__(self, folder: OutputFolder | None, progress: Progress, parts_total: int | None) -> None:
        self._folder = folder
        self._progress = progress
        self._parts_total = parts_total

    async def stage(self, stage: JobStage, *, part: int | None = None, attempt: int = 0) -> None:
        self._progress.stage(stage, part=part, attempt=attempt)

    def on_step(self) -> OnStep:
        return self._progress.step

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        pass

    async def part(self, part: AcceptedPart) -> None:
        if self._folder is not None:
            file = early_part_file(part, parts_total=self._parts_total)
            self._folder.write(file.name, file.content)
        self._progress.part(part)

    async def region_failed(self, region: FailedRegion) -> None:
        self._progress.region_failed(region)


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that never has to wait, with or without an event loop around."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: Result = finished.value
        return result
    work.close()
    raise RuntimeError("a local stage tried to wait for something")


def _read(
    image: ImageSource | None, mesh: MeshSource | None, mask: MaskSource | None, limits: InputLimits
) -> tuple[Prompt, dict[str, InputEntry]]:
    check_combination(image=image is not None, mesh=mesh is not None, mask=mask is not None)
    entries = {
        name: _entry(source)
        for name, source in (("image", image), ("mesh", mesh), ("mask", mask))
        if source is not None
    }
    prompt = make_prompt(
        _opened(image, limits, read_image, check_image),
        _opened(mesh, limits, read_mesh, check_mesh),
        _opened(mask, limits, read_mask, check_mask),
    )
    return prompt, entries


def _opened(
    source: Path | str | Value | None,
    limits: InputLimits,
    read: Callable[[Path, InputLimits], Value],
    check: Callable[[Value, InputLimits], Value],
) -> Value | None:
    if source is None:
        return None
    return read(Path(source), limits) if isinstance(source, str | Path) else check(source, limits)


def _entry(source: Path | str | np.ndarray | TriangleMesh) -> InputEntry:
    if isinstance(source, str | Path):
        path = Path(source)
        content = path.read_bytes() if path.is_file() else b""
        return InputEntry(name=path.name, sha256=hashlib.sha256(content).hexdigest())
    arrays = (source.vertices, source.faces) if isinstance(source, TriangleMesh) else (source,)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return InputEntry(name="array", sha256=digest.hexdigest())
