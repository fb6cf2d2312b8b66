"""A generation in this process: what the command line and Python callers use."""

from dataclasses import dataclass, replace
from pathlib import Path

import trimesh

from apg_core.inputs.prompt import ImageSource, MaskSource, MeshSource, Source, input_entries, read_prompt
from apg_core.output import OutputFolder
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.earlier import Earlier, earlier_of, record_of
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.finishing import MANIFEST_FILE, draft_file, finish, output_files
from apg_core.pipeline.generate import generate
from apg_core.pipeline.keeping import Keeper, inputs_file
from apg_core.pipeline.local_stages import LocalStages, Pipeline, load_pipeline, run_at_once
from apg_core.pipeline.stages import OnStep
from apg_core.progress import Progress, Silent, on_terminal
from apg_core.protocol.arrays import LatentArray, RgbImage
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.manifest import AcceptedPart, FailedRegion, Manifest, Provenance
from apg_core.protocol.mode import InputName
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt
from apg_core.protocol.stage import Stage
from apg_core.sandbox.cleaning import cleaned

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


@dataclass(frozen=True, eq=False)
class Generation:
    """What came out: the parts in memory, the manifest, and the folder they were written to, if any."""

    parts: tuple[AcceptedPart, ...]
    manifest: Manifest
    output_dir: Path | None
    prompt: Prompt
    earlier: Earlier
    """What `edit` takes up."""

    def to_trimesh(self) -> list[trimesh.Trimesh]:
        """The parts as trimesh meshes, in their order, in the normalised frame."""
        return [trimesh.Trimesh(part.mesh.vertices, part.mesh.faces, process=False) for part in self.parts]

    def to_scene(self) -> trimesh.Scene:
        """The parts in one trimesh scene, named as the nodes of `mesh_combined.glb` are."""
        scene = trimesh.Scene()
        for place, mesh in enumerate(self.to_trimesh()):
            name = f"part_{place:03d}"
            scene.add_geometry(mesh, node_name=name, geom_name=name)
        return scene


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
    """One part for each region of a mask."""
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
    complete = pipeline.preset.complete(options or GenerationOptions())
    given: dict[InputName, Source | None] = {"image": image, "mesh": mesh, "mask": mask}
    sources = {name: source for name, source in given.items() if source is not None}
    prompt = read_prompt(sources, limits or InputLimits(), beside=True)
    if complete.clean_input:
        prompt = cleaned(prompt)
    provenance = replace(pipeline.provenance, inputs=input_entries(sources))
    folder = None if output_dir is None else OutputFolder(Path(output_dir))
    if folder is not None:
        folder.clear_results()
    keeper = Keeper.at_start(folder if complete.save_latents else None, prompt, complete, provenance)
    sink = LocalSink(folder, progress or progress_of(complete), keeper)
    brief = Brief(prompt=prompt, options=complete, preset=pipeline.preset, stages=pipeline.stages, sink=sink)
    with sink.progress:
        return written(run_at_once(generate(brief)), brief, provenance, sink)


def progress_of(options: GenerationOptions) -> Progress:
    """What a person sees where these options say so."""
    return on_terminal() if options.show_progress else Silent()


def written(ending: Ending, brief: Brief, provenance: Provenance, sink: "LocalSink") -> Generation:
    """What the ending of this brief comes to, written to the sink's folder if it has one."""
    ending = finish(ending, brief.options)
    sink.progress.stage(Stage.PACKAGE, part=None, attempt=0)
    prompt, options = brief.prompt, brief.options
    files = list(output_files(ending, prompt=prompt, options=options, provenance=provenance))
    if sink.folder is not None:
        if options.save_latents:
            files.insert(0, inputs_file(prompt))
        sink.folder.clear_results(keep={file.name for file in files})  # drafts of parts that are none in the end
        for file in files:
            sink.folder.write(file.name, file.content)
    assert files[-1].name == MANIFEST_FILE
    manifest = Manifest.model_validate_json(files[-1].content)
    sink.progress.done(manifest)
    earlier = earlier_of(ending, record_of(ending, prompt, options, provenance))
    return Generation(ending.parts, manifest, None if sink.folder is None else sink.folder.path, prompt, earlier)


@dataclass(frozen=True)
class LocalSink:
    """Shows how a generation goes, and writes its parts as they come."""

    folder: OutputFolder | None
    progress: Progress
    keeper: Keeper

    async def stage(self, stage: Stage, *, part: int | None = None, attempt: int = 0) -> None:
        """See `Sink`."""
        self.progress.stage(stage, part=part, attempt=attempt)

    def on_step(self) -> OnStep:
        """See `Sink`."""
        return self.progress.step

    async def whole(self, latent: LatentArray, prepared: RgbImage | None) -> None:
        """See `Sink`."""
        self.keeper.whole(latent, prepared)

    async def part(self, part: AcceptedPart) -> None:
        """See `Sink`."""
        if self.folder is not None:
            regions = self.keeper.earlier.record.regions
            file = draft_file(part, parts_total=None if regions is None else len(regions))
            self.folder.write(file.name, file.content)
        self.keeper.part(part)
        self.progress.part(part)

    async def region_failed(self, region: FailedRegion) -> None:
        """See `Sink`."""
        self.keeper.region_failed(region)
        self.progress.region_failed(region)
