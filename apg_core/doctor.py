"""What this machine can run: versions, devices, memory, optional packages, presets and their weights."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import torch

from apg_core.errors import WeightsMissingError
from apg_core.presets import Preset, list_presets
from apg_core.presets.weights import find_weights

GIB = 2**30
OPTIONAL = {
    "diso": "iso-surfaces on the GPU",
    "ray": "the service and batch jobs",
    "embreex": "faster preview pictures",
    "fast_simplification": "simplification",
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
    yield f"autopartgen-ray {importlib.metadata.version('autopartgen-ray')}"


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / GIB:.0f} GiB of memory"


def _weights(preset: Preset, checkpoints: Path) -> str:
    if preset.random_seed is not None:
        return "ready; its weights are random, for tests only"
    needed = [network for network in preset.weights if network != "background" or preset.background == "rmbg"]
    missing = []
    for network in needed:
        try:
            find_weights(preset, network, (checkpoints,))
        except WeightsMissingError:
            missing.append(network)
    if not missing:
        return "ready"
    return f"weights missing ({', '.join(missing)}); run `apg fetch-weights {preset.reference}`"
