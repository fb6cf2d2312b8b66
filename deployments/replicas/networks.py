"""Loading the networks that a replica runs."""

import os

import torch

from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.pipeline.memory import memory
from apg_core.presets import Preset, load_preset
from deployments.replicas.process import set_up_process
from deployments.settings import ModelSettings

CPU_ROWS = 48


def sampler_rows(settings: ModelSettings, preset: Preset) -> int:
    """The rows that may share a step: as set, else what a GPU of this size has room for beside the other networks."""
    if settings.sampler_rows is not None:
        return settings.sampler_rows
    if settings.device == "cpu":
        return CPU_ROWS
    return max(1, memory(preset).rows_on(torch.cuda.mem_get_info()[1]))


def loader(settings: ModelSettings) -> ModelLoader:
    """A loader of the settings' preset on their device; sets up this process's logs and threads."""
    set_up_process()
    torch.set_num_threads(settings.threads or max((os.cpu_count() or 1) - 1, 1))
    return ModelLoader(
        load_preset(settings.preset),
        device=pick_device(settings.device),
        checkpoints=(settings.checkpoints,),
        precision=settings.precision,
    )
