"""The training loop that the autoencoder and the denoiser share: clock-driven schedule, averages, resuming.

A run has a budget of minutes rather than steps, so that it always anneals, on any machine. Everything
needed to go on is in `state.pt`; each log line is a row of `metrics.csv`.
"""

import csv
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from training.precision import mixed_precision

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

Metrics = dict[str, float]
Batch = TypeVar("Batch", bound="DataclassInstance")
Inner = TypeVar("Inner", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How long and how hard a run trains."""

    folder: Path
    """Where state and metrics live; a run continues from what it finds there."""
    minutes: float
    """Wall-clock budget over all resumptions; the learning rate anneals to its end."""
    peak_lr: float
    warmup: float = 0.03
    """Share of the budget over which the learning rate rises."""
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.996
    save_seconds: float = 120.0
    evaluate_seconds: float = 240.0
    device: str = "cpu"


LONGEST_STEP = 60.0
"""Seconds that one step may take from the budget: a run that was suspended goes on where it was."""


def learning_rate(progress: float, *, peak: float, warmup: float) -> float:
    """Linear rise, then a cosine to 1 % of the peak; progress runs from 0 to 1."""
    if progress < warmup:
        return peak * (0.05 + 0.95 * progress / warmup)
    along = min((progress - warmup) / (1 - warmup), 1.0)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * along)) / 2)


def on_device(batch: Batch, device: str) -> Batch:
    """A dataclass of tensors with its tensors on the device."""
    if device == "cpu":
        return batch
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch) if isinstance(getattr(batch, f.name), Tensor)}
    return replace(batch, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})


def make_optimizers(module: nn.Module, *, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside transformer blocks, AdamW for all else.

    Muon's update is scaled to AdamW's size, so one learning rate serves both.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    inner = [p for name, p in named if p.ndim == 2 and ("blocks." in name or ".layer." in name)]
    ids = {id(p) for p in inner}
    rest = [p for _, p in named if id(p) not in ids]
    return [
        torch.optim.Muon(inner, lr=1e-3, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=1e-3, weight_decay=weight_decay, betas=(0.9, 0.98), fused=True),
    ]


class Run(Generic[Inner]):
    """One training run: owns the optimizers, the averaged weights, the clock and the files."""

    def __init__(self, module: Inner, options: RunOptions) -> None:
        self.inner, self.options = module.to(options.device), options
        parallel = torch.distributed.is_initialized()
        # Not every batch uses every weight (pictures, history noise), so gradients are looked for.
        self.module = nn.parallel.DistributedDataParallel(module, find_unused_parameters=True) if parallel else module
        self.optimizers = make_optimizers(self.inner, weight_decay=options.weight_decay)
        self.average = {name: p.detach().clone() for name, p in self.inner.state_dict().items()}
        self.steps, self.samples, self.elapsed = 0, 0, 0.0
        self.rank = torch.distributed.get_rank() if parallel else 0
        self.workers = torch.distributed.get_world_size() if parallel else 1
        options.folder.mkdir(parents=True, exist_ok=True)
        if self.state_file.exists():
            self._resume()

    @property
    def state_file(self) -> Path:
        return self.options.folder / "state.pt"

    def _resume(self) -> None:
        state = torch.load(self.state_file, weights_only=True, map_location=self.options.device)
        self.inner.load_state_dict(state["module"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps, self.samples, self.elapsed = state["steps"], state["samples"], state["elapsed"]
        logger.info("resumed steps=%d samples=%d elapsed=%.0fs", self.steps, self.samples, self.elapsed)

    def save(self) -> None:
        """Write the state under a temporary name, then put it in place."""
        if self.rank > 0:
            return
        state = {
            "module": self.inner.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "steps": self.steps,
            "samples": self.samples,
            "elapsed": self.elapsed,
        }
        temporary = self.state_file.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.rename(self.state_file)

    def log(self, metrics: Mapping[str, float]) -> None:
        """Append a row of metrics; the columns are those of the first row."""
        if self.rank > 0:
            return
        row = {"elapsed": round(self.elapsed), "steps": self.steps, "samples": self.samples, **metrics}
        path = self.options.folder / "metrics.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        logger.info(" ".join(f"{name}={value:.4g}" for name, value in row.items()))

    def averaged(self) -> "AveragedWeights":
        """A context in which the module carries its averaged weights."""
        return AveragedWeights(self.inner, self.average)

    def train(self, batches: Iterator[tuple[int, Batch]], evaluate: Callable[[], Metrics]) -> None:
        """Step through batches of (sample count, arguments) until the budget is spent.

        The module returns its losses by name; `total` is what is minimised.
        """
        options = self.options
        budget = options.minutes * 60
        last = time.monotonic()
        next_save, next_evaluation = self.elapsed + options.save_seconds, self.elapsed + options.evaluate_seconds
        running: dict[str, float] = {}
        for count, batch in batches:
            rate = learning_rate(self.elapsed / budget, peak=options.peak_lr, warmup=options.warmup)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
            # On CPU plain matmuls beat the fused kernel here by a third (its backward is slow for short queries).
            kernels = [SDPBackend.MATH] if options.device == "cpu" else list(SDPBackend.__members__.values())
            with mixed_precision(options.device), sdpa_kernel(kernels):
                losses: dict[str, Tensor] = self.module(on_device(batch, options.device))
            losses["total"].backward()
            norm = nn.utils.clip_grad_norm_(self.module.parameters(), options.clip)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            self._blend()
            self.steps += 1
            self.samples += count * self.workers
            for name, value in {**losses, "gradient": norm}.items():
                current = float(value.detach())
                running[name] = 0.98 * running.get(name, current) + 0.02 * current
            now = time.monotonic()
            self.elapsed, last = self._agreed(self.elapsed + min(now - last, LONGEST_STEP)), now
            if self.steps % 50 == 0 and self.rank == 0:
                logger.info(
                    "step %d samples %d elapsed %.0f l1 %.4f", self.steps, self.samples, self.elapsed, running["l1"]
                )
            done = self.elapsed >= budget
            if self.elapsed >= next_evaluation or done:
                if self.rank == 0:
                    with self.averaged():
                        metrics = evaluate()
                    self.log({"lr": rate, **running, **metrics})
                next_evaluation = self.elapsed + options.evaluate_seconds
            if self.elapsed >= next_save or done:
                self.save()
                next_save = self.elapsed + options.save_seconds
            if done:
                return

    def _agreed(self, elapsed: float) -> float:
        """The first worker's clock: all workers must anneal, and end, together."""
        if self.workers == 1:
            return elapsed
        clock = torch.tensor([elapsed], dtype=torch.float64)
        torch.distributed.broadcast(clock, 0)
        return float(clock)

    @torch.no_grad()
    def _blend(self) -> None:
        decay = min(self.options.ema, (1 + self.steps) / (10 + self.steps))
        state = self.inner.state_dict()
        averaged = [self.average[name] for name in state]
        torch._foreach_lerp_(
            averaged, [value.to(a) for value, a in zip(state.values(), averaged, strict=True)], 1 - decay
        )


class AveragedWeights:
    """Swaps a module's weights for other ones while the context lasts."""

    def __init__(self, module: nn.Module, weights: Mapping[str, Tensor]) -> None:
        self.module, self.weights = module, weights

    def __enter__(self) -> nn.Module:
        self.raw = {name: value.clone() for name, value in self.module.state_dict().items()}
        self.module.load_state_dict(self.weights)
        self.module.eval()
        return self.module

    def __exit__(self, *_: object) -> None:
        self.module.load_state_dict(self.raw)
        self.module.train()
