"""The end of a generation: the last clean-up over all parts, and the files that describe them."""

import importlib.metadata
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image as PilImage

from apg_core.geometry.measure import measure
from apg_core.geometry.normalise import upright
from apg_core.geometry.parts.cleanup import connected_scene, smooth
from apg_core.geometry.picture.colours import part_colour
from apg_core.geometry.picture.render import coloured_mask, preview
from apg_core.pipeline.ending import Ending
from apg_core.pipeline.looks import look_warnings, part_looks
from apg_core.pipeline.part_files import draft_glb, part_files
from apg_core.protocol.arrays import Labels
from apg_core.protocol.manifest import AcceptedPart, Manifest, PartEntry, PlacementEntry, Provenance
from apg_core.protocol.options import GenerationOptions
from apg_core.protocol.prompt import Prompt

MANIFEST_FILE = "manifest.json"
NAMED_PACKAGES = ("autopartgen-ray", "torch", "diffusers", "transformers", "numpy", "trimesh", "scikit-image")


@dataclass(frozen=True)
class OutputFile:
    """A file that a generation leaves behind."""

    name: str
    content: bytes


def finish(ending: Ending, options: GenerationOptions) -> Ending:
    """The ending with its parts as they are kept: after scene cleanup and smoothing, where the options ask for them."""
    meshes = [part.mesh for part in ending.parts]
    if options.scene_cleanup and options.postprocess:
        meshes = connected_scene(meshes)
    if options.smooth_iters > 0 and options.postprocess:
        meshes = [smooth(mesh, options.smooth_iters) for mesh in meshes]
    finished = [AcceptedPart(part.facts, mesh) for part, mesh in zip(ending.parts, meshes, strict=True)]
    dropped = tuple(
        f"scene cleanup dropped part {part.facts.index}: it touches no other" for part in finished if part.mesh.is_empty
    )
    kept = tuple(part for part in finished if not part.mesh.is_empty)
    return replace(ending, parts=kept, warnings=ending.warnings + dropped)


def draft_file(part: AcceptedPart, *, parts_total: int | None) -> OutputFile:
    """An accepted part's file while it is not known how many there will be; its colour may change at the end."""
    likely = max(parts_total or 8, part.facts.index + 1)
    return OutputFile(part.facts.file, draft_glb(part, part_colour(part.facts.index, likely)))


def output_files(
    ending: Ending, *, prompt: Prompt, options: GenerationOptions, provenance: Provenance
) -> Iterator[OutputFile]:
    """Every file of a finished ending, the manifest last; `options` are complete."""
    parts = ending.parts
    colours = [part_colour(place, len(parts)) for place, _ in enumerate(parts)]
    looks = part_looks(parts, colours, prompt, options)
    for name, content in part_files(ending, looks, options, provenance):
        yield OutputFile(name, content)
    if prompt.mask is not None and options.visualize_mask:
        yield from _mask_files(prompt.mask, parts, colours)
    if options.preview and parts:
        mesh = None if prompt.mesh is None else upright(prompt.mesh, options.input_up)
        given = mesh if prompt.image is None else ending.prepared
        shown = [replace(part.mesh, look=next(iter(own.values()))) for part, own in zip(parts, looks, strict=True)]
        yield OutputFile("preview.png", _png(preview(shown, colours, given=given)))
    manifest = _manifest(ending, prompt=prompt, options=options, provenance=provenance)
    yield OutputFile(MANIFEST_FILE, manifest.model_dump_json(indent=2, by_alias=True).encode() + b"\n")


def _mask_files(
    mask: Labels, parts: Sequence[AcceptedPart], colours: Sequence[tuple[int, int, int, int]]
) -> Iterator[OutputFile]:
    by_label = {part.facts.label: colour for part, colour in zip(parts, colours, strict=True)}
    yield OutputFile(
        "mask_colored.png", _png(coloured_mask(mask, {k: v for k, v in by_label.items() if k is not None}))
    )
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
        weights=dict(provenance.weights),
        versions={name: importlib.metadata.version(name) for name in NAMED_PACKAGES},
        parts=tuple(
            PartEntry(**part.facts.model_dump(), file=part.facts.file, mesh=measure(part.mesh)) for part in ending.parts
        ),
        failed_regions=ending.failed_regions,
        stop_reason=ending.stop_reason,
        warnings=ending.warnings + look_warnings(prompt, options),
        placement=placement,
        timings={name: round(seconds, 4) for name, seconds in ending.timings.items()},
    )


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
