"""The end of a generation: the last clean-up over all parts, and the files that describe them."""

import importlib.metadata
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image as PilImage

from apg_core.geometry.measure import measure
from apg_core.geometry.normalise import upright
from apg_core.geometry.parts.cleanup import connected_scene, smooth
from apg_core.geometry.parts.partition import measured_again
from apg_core.geometry.picture.colours import Colour, further_colours, part_colour
from apg_core.geometry.picture.render import coloured_mask, preview
from apg_core.pipeline.earlier import LATENTS_FILE, earlier_of, record_of
from apg_core.pipeline.ending import Ending, OutputFile
from apg_core.pipeline.fit import partition_entry
from apg_core.pipeline.looks import Looks, look_warnings, part_looks, pictured
from apg_core.pipeline.part_files import draft_glb, part_files
from apg_core.protocol.arrays import Labels
from apg_core.protocol.manifest import AcceptedPart, Manifest, PartEntry, PartitionEntry, PlacementEntry, Provenance
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt

MANIFEST_FILE = "manifest.json"
PREVIEW_FILE = "preview.png"
NAMED_PACKAGES = ("autopartgen-ray", "torch", "diffusers", "numpy", "trimesh", "scikit-image")


def finish(ending: Ending, options: GenerationOptions) -> Ending:
    """The ending with its parts as they are kept: after scene cleanup and smoothing, where the options ask for them.

    Of an edit, parts that are as its parent left them stay so, and which parts there are is the caller's.
    """
    meshes = [part.mesh for part in ending.parts]
    if options.scene_cleanup and options.postprocess and ending.finished is None:
        meshes = connected_scene(meshes)
    if options.smooth_iters > 0 and options.postprocess:
        done = ending.finished or ()
        meshes = [
            mesh if part.facts.index in done else smooth(mesh, options.smooth_iters)
            for part, mesh in zip(ending.parts, meshes, strict=True)
        ]
    both = zip(_coloured(ending.parts), meshes, strict=True)
    finished = [part if mesh is part.mesh else part.now(part.facts, mesh) for part, mesh in both]
    dropped = tuple(
        f"scene cleanup dropped part {part.facts.index}: it touches no other" for part in finished if part.mesh.is_empty
    )
    kept = tuple(part for part in finished if not part.mesh.is_empty)
    partition = _measured_again(ending, meshes, moved=options.smooth_iters > 0)
    if options.appearance == "picture" and ending.prepared is not None:
        kept = pictured(kept, ending.prepared)
    return replace(ending, parts=kept, warnings=ending.warnings + dropped, partition=partition)


def _measured_again(ending: Ending, meshes: Sequence[TriangleMesh], *, moved: bool) -> PartitionEntry | None:
    """How the parts divide the given mesh after they were changed to these; empty ones are none any more."""
    before = [part.mesh for part in ending.parts]
    if ending.partition is None or all(now is then for now, then in zip(meshes, before, strict=True)):
        return ending.partition
    found = measured_again(before, meshes, exact=ending.partition.exact and not moved)
    rows = {part.facts.index: row for row, part in enumerate(ending.parts) if not meshes[row].is_empty}
    return partition_entry(found, rows)


def _coloured(parts: Sequence[AcceptedPart]) -> list[AcceptedPart]:
    """The parts, each with a colour: one that it has stays."""
    taken = [part.facts.colour for part in parts if part.facts.colour is not None]
    without = [part for part in parts if part.facts.colour is None]
    if taken:
        colours = further_colours(taken, len(without))
    else:
        colours = [part_colour(place, len(parts)) for place in range(len(parts))]
    chosen = iter(colours)
    return [
        part
        if part.facts.colour is not None
        else replace(part, facts=part.facts.model_copy(update={"colour": next(chosen)}))
        for part in parts
    ]


def draft_file(part: AcceptedPart, *, parts_total: int | None) -> OutputFile:
    """An accepted part's file while it is not known how many there will be; its colour may change at the end."""
    shown = part.shown or part
    likely = max(parts_total or 8, shown.facts.index + 1)
    return OutputFile(shown.facts.file, draft_glb(shown, shown.facts.colour or part_colour(shown.facts.index, likely)))


def output_files(
    ending: Ending,
    *,
    prompt: Prompt,
    options: GenerationOptions,
    provenance: Provenance,
    with_preview: bool = True,
) -> Iterator[OutputFile]:
    """Every file of a finished ending, the manifest last; `options` are complete.

    The preview takes as long as all others together; who leaves it out makes it later by `preview_file`.
    """
    parts = ending.parts
    colours = _colours(parts)
    looks = part_looks(ending, colours, prompt, options)
    for name, content in part_files(ending, looks, options, provenance):
        yield OutputFile(name, content)
    if prompt.mask is not None and options.visualize_mask:
        yield from _mask_files(prompt.mask, parts, colours)
    if with_preview and options.preview and parts:
        yield _preview(ending, looks, prompt, options)
    if options.save_latents:
        yield OutputFile(LATENTS_FILE, earlier_of(ending, record_of(ending, prompt, options, provenance)).pack())
    manifest = _manifest(ending, prompt=prompt, options=options, provenance=provenance)
    yield OutputFile(MANIFEST_FILE, manifest.model_dump_json(indent=2, by_alias=True).encode() + b"\n")


def preview_file(ending: Ending, *, prompt: Prompt, options: GenerationOptions) -> OutputFile | None:
    """The picture of a finished ending, where the options ask for it and there is something to see."""
    parts = ending.parts
    if not options.preview or not parts:
        return None
    return _preview(ending, part_looks(ending, _colours(parts), prompt, options), prompt, options)


def _preview(ending: Ending, looks: Mapping[str, Looks], prompt: Prompt, options: GenerationOptions) -> OutputFile:
    mesh = None if prompt.mesh is None else upright(prompt.mesh, options.input_up)
    given = mesh if prompt.image is None else ending.prepared
    shown = [replace(part.mesh, look=next(iter(looks[part.facts.file].values()))) for part in ending.parts]
    return OutputFile(PREVIEW_FILE, _png(preview(shown, _colours(ending.parts), given=given)))


def _colours(parts: Sequence[AcceptedPart]) -> list[Colour]:
    return [part.facts.colour or part_colour(place, len(parts)) for place, part in enumerate(parts)]


def _mask_files(
    mask: Labels, parts: Sequence[AcceptedPart], colours: Sequence[tuple[int, int, int, int]]
) -> Iterator[OutputFile]:
    by_label = {label: colour for part, colour in zip(parts, colours, strict=True) for label in part.facts.labels}
    yield OutputFile("mask_colored.png", _png(coloured_mask(mask, by_label)))
    palette = [
        {
            "part_index": part.facts.index,
            "mask_label": part.facts.label,
            "rgba": list(colour),
            "mesh": part.facts.file,
        }
        for part, colour in zip(parts, colours, strict=True)
    ]
    yield OutputFile("mask_palette.json", json.dumps(palette, indent=2).encode() + b"\n")


def _manifest(ending: Ending, *, prompt: Prompt, options: GenerationOptions, provenance: Provenance) -> Manifest:
    placement = None
    if ending.placement is not None:
        x, y, z = (float(value) for value in ending.placement.centre)
        placement = PlacementEntry(centre=(x, y, z), scale=float(ending.placement.scale), up=ending.placement.up)
    return Manifest(
        mode=prompt.mode,
        inputs=dict(provenance.inputs),
        options=options.model_dump(),
        preset=provenance.preset,
        random_weights=provenance.random_weights,
        precision=provenance.precision,
        weights=dict(provenance.weights),
        sampling=dict(provenance.sampling),
        versions=dict(_versions()),
        parts=tuple(_entry(part) for part in ending.parts),
        failed_regions=ending.failed_regions,
        stop_reason=ending.stop_reason,
        warnings=prompt.notes + ending.warnings + look_warnings(prompt, options),
        placement=placement,
        timings={name: round(seconds, 4) for name, seconds in ending.timings.items()},
        partition=ending.partition,
        candidates=tuple(_entry(part) for part in ending.candidates),
        parent=provenance.parent,
        edit=None if provenance.edit is None else dict(provenance.edit),
    )


@lru_cache
def _versions() -> Mapping[str, str]:
    return {name: importlib.metadata.version(name) for name in NAMED_PACKAGES}


def _entry(part: AcceptedPart) -> PartEntry:
    return PartEntry(**part.facts.model_dump(), file=part.facts.file, mesh=measure(part.mesh))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "PNG")  # optimize=True takes six times as long, for a twentieth of the bytes
    return buffer.getvalue()
