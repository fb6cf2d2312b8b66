"""The batch job: a folder or a manifest of objects in, a folder of part meshes for each out.

    python -m cluster.batch INPUT OUTPUT [options]
    ray job submit --working-dir . -- python -m cluster.batch INPUT OUTPUT [options]

Without RAY_ADDRESS the job starts Ray for itself on this machine; with it (`ray job submit` sets it) the job runs on
that cluster. Exit codes: 0 all objects have their parts, 3 some failed (`errors.parquet` says why), 1 the job could
not run.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from apg_core.errors import ApgError, InputError, PromptError, SetupError, WeightsMissingError
from apg_core.flags import add_option_flags, add_precision_flag, at_least_one, chosen_options
from apg_core.presets import DEFAULT_PRESET, Preset, load_preset
from apg_core.presets.weights import CHECKPOINTS, find_weights, sha256_of
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.items import Item, find_items
from cluster.plan import plan
from cluster.progress import BatchProgress
from cluster.results import Asked, Outcome, finished, write_outcomes
from cluster.storage import Place, open_folder
from cluster.work import Failure, Work
from deployments.commands import RAY_ENVIRONMENT

OK, COULD_NOT_RUN, SOME_FAILED = 0, 1, 3
JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # what `ray job submit` sets for the program that it runs
IMAGE_WEIGHTS = Path("/weights")  # where the images of cluster/Dockerfile have them
LIMITS = InputLimits()
FILES_AT_ONCE = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one batch."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(name)s: %(message)s")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # from now on, what is done is to be recorded
    try:
        return _run(options)
    except ApgError as error:
        print(f"batch: {error.message}", file=sys.stderr)
    except KeyboardInterrupt:
        print("batch: interrupted; run it again to go on where it stopped", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    return COULD_NOT_RUN


def _run(options: argparse.Namespace) -> int:
    source, output = Place.of(options.input), Place.of(options.output)
    if JOB_VARIABLE in os.environ and output.is_local and not Path(options.output).is_absolute():
        raise PromptError(
            f"OUTPUT is the relative path {options.output}, and a submitted job runs in a copy of the working "
            "directory that Ray removes; give an absolute path that every machine sees, or a URI"
        )
    if source == output:
        raise PromptError(f"INPUT and OUTPUT are both {source.address}; results would be taken for inputs")
    open_folder(output)
    sorted_items = _sort(
        find_items(source),
        chosen_options(options, os.environ),
        output=output,
        preset=load_preset(options.preset),
        checkpoints=_checkpoints(options),
    )
    outcomes = [*sorted_items.done, *sorted_items.refused]
    with BatchProgress(total=len(sorted_items), skipped=len(sorted_items.done)) as progress:
        try:
            for outcome in sorted_items.refused:
                progress.ended(outcome)
            for outcome in _generated(sorted_items.works, options, output):
                outcomes.append(outcome)
                progress.ended(outcome)
        except KeyboardInterrupt:
            outcomes += made_meanwhile(sorted_items, outcomes, output)
            raise
        finally:
            write_outcomes(outcomes, output)
    return OK if all(outcome.succeeded for outcome in outcomes) else SOME_FAILED


@dataclass(frozen=True)
class Sorted:
    """The items by what is to be done with them."""

    asked: Asked
    works: list[Work] = field(default_factory=list)
    done: list[Outcome] = field(default_factory=list)
    """By an earlier run."""
    refused: list[Outcome] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.works) + len(self.refused)


def _weights(preset: Preset, checkpoints: Path) -> dict[str, str]:
    found = {}
    for network in preset.weights:
        with suppress(WeightsMissingError):  # this machine need not generate
            found[network] = sha256_of(find_weights(preset, network, [checkpoints]))
    return found


def _sort(
    items: Sequence[Item], options: GenerationOptions, *, output: Place, preset: Preset, checkpoints: Path
) -> Sorted:
    by_name = {name: getattr(options, name) for name in options.model_fields_set}
    found = Sorted(Asked(preset=preset.name, weights=_weights(preset, checkpoints), limits=LIMITS))
    works = []
    for item in items:
        try:
            complete = preset.complete(item.chosen_options().with_defaults(by_name))
        except InputError as error:
            found.refused.append(Outcome.of(Work(item=item, options=options, failure=Failure.of(error))))
        else:
            works.append(Work(item=item, options=complete))

    def outcome_of(work: Work) -> Outcome | None:
        return finished(work.item, work.options, output=output, asked=found.asked)

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:  # what lies behind a URI takes its time, one after the other
        for work, earlier in zip(works, pool.map(outcome_of, works), strict=True):
            if earlier is None:
                found.works.append(work)
            else:
                found.done.append(earlier)
    return found


def made_meanwhile(items: Sorted, told: Sequence[Outcome], output: Place) -> list[Outcome]:
    """Objects whose folders are complete, though nobody has told of it yet: what an interrupted batch was about to."""
    known = {outcome.id for outcome in told}
    waiting = [work for work in items.works if work.item.id not in known]
    found = (finished(work.item, work.options, output=output, asked=items.asked) for work in waiting)
    return [outcome for outcome in found if outcome is not None]


def _generated(works: Sequence[Work], options: argparse.Namespace, output: Place) -> Iterator[Outcome]:
    if not works:
        return
    address = os.environ.get("RAY_ADDRESS")
    if address is None:  # our own Ray is set up as the service's is; Ray reads these when it is imported
        os.environ.update({**RAY_ENVIRONMENT, **os.environ})
    import ray
    from ray.exceptions import RayError

    from cluster.flow import Flow
    from cluster.machines import gpus_of, let_go, machines, machines_with
    from cluster.models import Models
    from cluster.reading import ReadLimits

    try:
        ray.init(address=address or "local", include_dashboard=None if address else False)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # in place of Ray's: what is done is to be recorded
        found = machines_with(options.gpus, seconds=options.gpu_wait) if options.gpus else machines()
        sizes = plan(
            [machine.get("CPU", 0) for machine in found],
            gpus=0 if options.device == "cpu" else gpus_of(found),
            generators_per_gpu=options.generators_per_gpu,
            in_flight=options.in_flight,
            mesh_workers=options.mesh_workers,
        )
        models = Models(
            preset=options.preset,
            device=options.device,
            checkpoints=_checkpoints(options),
            precision=options.precision,
            exact=True if options.exact else None,
        )
        limits = ReadLimits(inputs=LIMITS)
        yield from Flow(models=models, limits=limits, plan=sizes, output=output).outcomes(works)
    except RayError as error:
        raise SetupError(f"Ray gave up: {error}") from error
    finally:
        if options.gpus and ray.is_initialized():
            let_go()
        ray.shutdown()


def _checkpoints(options: argparse.Namespace) -> Path:
    """The folder that is named, or the usual one; a submitted job's own folder is a copy that has no weights."""
    if options.checkpoints is None:
        return IMAGE_WEIGHTS if JOB_VARIABLE in os.environ else CHECKPOINTS.absolute()
    folder = Path(options.checkpoints)
    if JOB_VARIABLE in os.environ and not folder.is_absolute():
        raise PromptError(
            f"--checkpoints is the relative path {folder}, and a submitted job runs in a copy of the working "
            "directory; give an absolute path that every machine has"
        )
    return folder.absolute()


def parser() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="python -m cluster.batch", description="Generate the parts of many objects; run again to go on."
    )
    flags.add_argument("input", metavar="INPUT", help="a folder or a manifest (.jsonl, .parquet); a path or a URI")
    flags.add_argument("output", metavar="OUTPUT", help="a folder for the results; a path or a URI")
    flags.add_argument(
        "--preset", "--config", default=DEFAULT_PRESET, help=f"a preset, or a config file [{DEFAULT_PRESET}]"
    )
    flags.add_argument("--device", choices=["cpu", "cuda"], help="[cuda where the cluster has it]")
    add_precision_flag(flags)
    flags.add_argument(
        "--checkpoints",
        help=f"folder of fetched weights, on every machine [{CHECKPOINTS}; of a submitted job {IMAGE_WEIGHTS}]",
    )
    flags.add_argument(
        "--exact", action="store_true", help="no object changes a bit of another: on a GPU, too, where it is slower"
    )
    flags.add_argument("--verbose", action="store_true", help="log what happens")
    sizes = flags.add_argument_group("sizes", "what is left out is computed from the cluster's CPUs and GPUs")
    sizes.add_argument("--in-flight", type=at_least_one, metavar="N", help="objects at once on one generator")
    sizes.add_argument(
        "--generators-per-gpu", type=at_least_one, metavar="N", default=1, help="generators that share a GPU [1]"
    )
    sizes.add_argument(
        "--gpus",
        type=at_least_one,
        metavar="N",
        help="ask the cluster for this many, and wait for them [those that are there]",
    )
    sizes.add_argument("--gpu-wait", type=float, metavar="S", default=900, help="seconds to wait for them [900]")
    sizes.add_argument("--mesh-workers", type=at_least_one, metavar="N", help="processes for one generator's geometry")
    add_option_flags(flags, preset=DEFAULT_PRESET)
    return flags


if __name__ == "__main__":
    sys.exit(main())
