"""Loading the networks that a replica runs."""

import os

import torch

from apg_core.pipeline.loading import ModelLoader, pick_device
from apg_core.presets import load_preset
from deployments.logs import join_serve_logs
from deployments.replicas.loopback import listen_where_ray_does
from deployments.settings import ModelSettings


def loader(settings: ModelSettings) -> ModelLoader:
    """A loader of the settings' preset on their device; sets up this process's logs and threads."""
    join_serve_logs()
    listen_where_ray_does()
    torch.set_num_threads(settings.threads or max((os.cpu_count() or 1) - 1, 1))
    return ModelLoader(
        load_preset(settings.preset),
        device=pick_device(settings.device),
        checkpoints=(settings.checkpoints,),
        precision=settings.precision,
    )
