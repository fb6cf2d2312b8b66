"""Runs a pipeline over cases with known parts and sums up how good it is: `apg eval`.

The pipeline is the one that users run; nothing here knows how it was trained.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from apg_core.errors import ApgError, InputError
from apg_core.pipeline.local import Pipeline, generate_parts
from apg_core.protocol.manifest import StopReason
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.mode import Mode
from apg_core.protocol.options import GenerationOptions
from training.baselines import BASELINES
from training.cases import Case, Split, folder_cases, procedural, real_cases
from training.scores import Scores, score

logger = logging.getLogger(__name__)

Shapes = Literal["parts", "wholes"]
BY_ITSELF = {StopReason.END_OF_SEQUENCE, StopReason.ALL_REGIONS_DONE}


@dataclass(frozen=True, kw_only=True)
class Result:
    """One case: its scores, or why there are none."""

    name: str
    family: str
    mode: Mode
    scores: Scores | None
    seconds: float
    stop_reason: StopReason | None
    error: str | None
    found: tuple[TriangleMesh, ...] = ()

    @property
    def row(self) -> dict[str, str | float | int | None]:
        """Flat, for a table; no meshes."""
        numbers = {} if self.scores is None else asdict(self.scores)
        return {
            "name": self.name,
            "family": self.family,
            "mode": self.mode,
            "seconds": self.seconds,
            "stop_reason": self.stop_reason,
            "error": self.error,
            **numbers,
        }


def find_cases(dataset: str | Path, count: int, *, fused: bool | None = None) -> list[Case]:
    """Cases of a procedural split (`validation`, `test`, `kept_out`) or of a folder of objects.

    `real:FOLDER` takes those objects of a folder of real ones that training keeps for validation, spread over all.
    Meshes are given fused, but those of procedural splits as they were always measured, unless `fused` says otherwise.

    Raises:
        InputError: the dataset is neither a split nor a folder.
    """
    split = dataset in get_args(Split)
    folder = Path(str(dataset).removeprefix("real:"))
    if split:
        cases = list(procedural(dataset, count))  # type: ignore[arg-type]
    elif not folder.is_dir():
        raise InputError(f"no dataset {str(dataset)!r}; name a folder or one of {', '.join(get_args(Split))}")
    elif str(dataset).startswith("real:"):
        every = list(real_cases(folder))
        cases = [every[i] for i in np.linspace(0, len(every) - 1, min(count, len(every))).round().astype(int)]
    else:
        cases = list(folder_cases(folder))[:count]
    return [replace(case, fused=not split if fused is None else fused) for case in cases]


def prompt_of(case: Case, mode: Mode) -> Mapping[str, np.ndarray | TriangleMesh]:
    """What the case gives in this mode, as keyword arguments of `generate_parts`.

    Raises:
        InputError: the case has no image or mask, and the mode needs one.
    """
    given = {"image": case.image, "mesh": case.given, "mask": case.mask}
    names = mode.split("_")
    missing = [name for name in names if given[name] is None]
    if missing:
        raise InputError(f"{case.name} has no {missing[0]}, which mode {mode} needs")
    return {name: given[name] for name in names}  # type: ignore[misc]


def evaluate(
    pipeline: Pipeline,
    cases: Iterable[Case],
    *,
    mode: Mode,
    options: GenerationOptions | None = None,
) -> Iterator[Result]:
    """Generate each case's parts and score them, one after the other; a case that fails is a result too."""
    chosen = (options or GenerationOptions()).model_copy()
    chosen = chosen.with_defaults({"show_progress": False, "preview": False})
    for case in cases:
        yield _one(pipeline, case, mode, chosen)


def _one(pipeline: Pipeline, case: Case, mode: Mode, options: GenerationOptions) -> Result:
    truth = case.masked_parts if "mask" in mode else case.parts
    started = time.perf_counter()
    try:
        generation = generate_parts(pipeline, **prompt_of(case, mode), options=options)  # type: ignore[arg-type]
    except ApgError as error:
        logger.warning("%s failed: %s", case.name, error)
        seconds = time.perf_counter() - started
        return Result(
            name=case.name,
            family=case.family,
            mode=mode,
            scores=None,
            seconds=seconds,
            stop_reason=None,
            error=str(error),
        )
    seconds = time.perf_counter() - started
    found = tuple(part.mesh for part in generation.parts)
    return Result(
        name=case.name,
        family=case.family,
        mode=mode,
        scores=score(truth, found),
        seconds=seconds,
        stop_reason=generation.manifest.stop_reason,
        error=None,
        found=found,
    )


def evaluate_baseline(name: str, case: Case) -> Result:
    """What geometry alone makes of a case's mesh; `name` is one of `BASELINES`."""
    started = time.perf_counter()
    found = BASELINES[name](case.given)
    return _scored(case, case.parts, found, time.perf_counter() - started)


def reconstruct(pipeline: Pipeline, case: Case, what: Shapes, options: GenerationOptions) -> Result:
    """What only passing through the autoencoder leaves of a case's parts, or of its whole: the ceiling of all else."""
    stages, options = pipeline.stages, pipeline.preset.complete(options)
    truth = case.parts if what == "parts" else (case.whole,)
    started = time.perf_counter()
    latents = [stages.codec.encode(stages.meshes.sample_surface(mesh, seed)) for seed, mesh in enumerate(truth)]
    meshes = [stages.meshes.extract(stages.codec.decode(latent, options), options) for latent in latents]
    found = [mesh for mesh in meshes if not mesh.is_empty]
    return _scored(case, truth, found, time.perf_counter() - started)


def _scored(case: Case, truth: Sequence[TriangleMesh], found: Sequence[TriangleMesh], seconds: float) -> Result:
    """The result of a way that ends by itself and cannot fail."""
    return Result(
        name=case.name,
        family=case.family,
        mode="mesh",
        scores=score(truth, found),
        seconds=seconds,
        stop_reason=None,
        error=None,
        found=tuple(found),
    )


def summarise(results: Sequence[Result]) -> dict[str, float]:
    """Means over cases; a failed case counts as nothing found."""
    scored = [result.scores for result in results if result.scores is not None]
    if not results:
        return {}
    everything = len(results)

    def mean(values: Iterable[float]) -> float:
        return float(np.nansum(list(values)) / everything)

    with_parts = [s for s in scored if s.parts_found]
    return {
        "objects": everything,
        "part_iou": mean(s.part_iou for s in scored),
        "count_aware_iou": mean(s.count_aware_iou for s in scored),
        "panoptic": mean(s.panoptic for s in scored),
        "whole_iou": mean(s.whole_iou for s in scored),
        "fscore_002": mean(s.fscore_002 for s in scored),
        "fscore_005": mean(s.fscore_005 for s in scored),
        "chamfer": fmean(s.chamfer for s in with_parts) if with_parts else float("nan"),
        "count_exact": mean(s.count_error == 0 for s in scored),
        "count_error": mean(s.count_error for s in scored),
        "overlap": mean(s.overlap for s in scored),
        "watertight": mean(s.watertight for s in scored),
        "parts_found": mean(s.parts_found for s in scored),
        "success": mean(s.parts_found > 0 for s in scored),
        "ended_by_itself": mean(result.stop_reason in BY_ITSELF for result in results),
        "seconds": fmean(result.seconds for result in results),
    }


def interval(values: Sequence[float], *, resamples: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over objects."""
    given = np.array(values)
    drawn = np.random.default_rng(0).integers(0, len(given), (resamples, len(given)))
    low, high = np.percentile(given[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def write_parquet(results: Sequence[Result], path: Path) -> None:
    """One row a case; written under a temporary name, then renamed."""
    temporary = path.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist([result.row for result in results]), temporary)
    temporary.rename(path)
