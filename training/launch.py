"""Scales a training stage out with Ray Train: the same stage, once a worker, gradients averaged.

One worker needs none of this and runs in the calling process.
"""

from collections.abc import Callable

import ray.train
import torch
from ray.train import ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer


def launch(stage: Callable[[], None], *, workers: int, storage: str) -> None:
    """Run `stage` in `workers` processes; Ray Train sets up torch.distributed before it.

    `storage` is the absolute path of a folder that all workers see; runs keep their own state in theirs.
    """
    gpu = torch.cuda.is_available()

    def work() -> None:
        stage()

    trainer = TorchTrainer(
        work,
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=ray.train.RunConfig(storage_path=storage),
    )
    trainer.fit()
