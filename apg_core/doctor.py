"""What this machine can run: versions, devices, memory, optional packages, presets and their weights."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import torch

from apg_core.errors import WeightsMissingError
from apg_core.pipeline.loading import weight_doubt
from apg_core.pipeline.memory import GB, fit
from apg_core.presets import Preset, list_presets
from apg_core.presets.weights import find_weights, weight_places
from apg_core.protocol.options import GenerationOptions

GIB = 2**30
CARDS_GB = (8, 12, 24, 80)
LARGE_WIDTH = 1024  # of denoisers that want a GPU
OPTIONAL = {
    "diso": "iso-surfaces on the GPU",
    "ray": "the service and batch jobs",
    "embreex": "faster preview pictures",
    "fast_simplification": "simplification",
    "pxr": "parts as USDZ",
}


def findings(checkpoints: Path) -> Iterator[str]:
    """One line for each thing that matters."""
    yield f"python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield f"torch {torch.__version__}, {os.cpu_count()} CPUs, {_memory()}"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            yield f"GPU {index}: {properties.name}, {properties.total_memory / GIB:.0f} GiB"
    else:
        yield "no GPU that torch can use: the tiny preset runs well on CPUs, the published ones slowly"
    for module, purpose in OPTIONAL.items():
        there = importlib.util.find_spec(module) is not None
        yield f"{module}: {'there' if there else 'not installed'} ({purpose})"
    for preset in list_presets():
        yield f"preset {preset.name}: {_weights(preset, checkpoints)}"
    for preset in list_presets():
        if preset.dit.width >= LARGE_WIDTH:
            yield f"preset {preset.name} on GPUs (computed, not measured): {_fits(preset)}"
    yield f"autopartgen-ray {importlib.metadata.version('autopartgen-ray')}"


def _fits(preset: Preset) -> str:
    words = {"whole": "yes", "low_memory": "one network at a time (--low_memory)", "none": "no"}
    return ", ".join(f"{size} GB {words[fit(preset, size * GB)]}" for size in CARDS_GB)


def preset_findings(preset: Preset, checkpoints: Path) -> Iterator[str]:
    """What a preset says, which of its weight files are here, and where the others were looked for."""
    steps = preset.complete(GenerationOptions()).num_inference_steps
    yield f"preset {preset.name} of {preset.folder}: {preset.description}"
    yield f"  {preset.num_latents} latent tokens, {steps} steps of {preset.schedule.class_name}"
    yield f"  weights are held in {preset.precision_on('cuda')} on a GPU, in {preset.precision_on('cpu')} on a CPU"
    scales = (f"{mode} {part.image:g} / {part.geometry:g}" for mode, part in preset.guidance.items())
    yield f"  guidance: whole {preset.whole_guidance:g}; image / geometry: {', '.join(scales)}"
    for network in preset.weights:
        yield from _network(preset, network, checkpoints)
    yield f"  {_weights(preset, checkpoints)}"


def _network(preset: Preset, network: str, checkpoints: Path) -> Iterator[str]:
    try:
        path = find_weights(preset, network, (checkpoints,))
    except WeightsMissingError:
        needed = "missing" if network in _needed(preset) else "not here, and not needed"
        yield f"  {network}: {needed}; looked for"
        for folder, places in groupby(weight_places(preset, network, (checkpoints,)), lambda place: place.parent):
            yield f"    {folder}: {', '.join(place.name for place in places)}"
        return
    yield f"  {network}: {path} ({path.stat().st_size:,} bytes)"
    if (doubt := weight_doubt(path)) is not None:
        yield f"    {doubt}"


def _needed(preset: Preset) -> list[str]:
    return [network for network in preset.weights if network != "background" or preset.background == "rmbg"]


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / GIB:.0f} GiB of memory"


def _weights(preset: Preset, checkpoints: Path) -> str:
    if preset.random_seed is not None:
        return "ready; its weights are random, for tests only"
    missing = []
    for network in _needed(preset):
        try:
            find_weights(preset, network, (checkpoints,))
        except WeightsMissingError:
            missing.append(network)
    if not missing:
        return "ready"
    return f"weights missing ({', '.join(missing)}); run `apg fetch-weights {preset.reference}`"
