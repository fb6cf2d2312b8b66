"""The Ray Data flow of a batch: the stages, one after the other, each in a pool of actors of its own."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Dataset, ExecutionResources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.generating import GenerateParts
from cluster.imaging import EncodeImages, PrepareImages
from cluster.models import Models
from cluster.plan import Plan
from cluster.reading import ReadInputs, ReadLimits
from cluster.results import Outcome
from cluster.storage import Place
from cluster.tries import Tries
from cluster.work import Row, RowStage, Work
from cluster.writing import WriteResults

MOST_BLOCKS = 10_000  # one object a block while that many are few enough to keep track of
NO_LIMIT = -1  # an object may take hours on a small machine


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What a batch runs, and where its results go."""

    models: Models
    limits: ReadLimits
    plan: Plan
    output: Place

    def outcomes(self, works: Iterable[Work]) -> Iterator[Outcome]:
        """How each object ends, as it ends; Ray must be connected.

        Memory stays within what Ray's object store has, however many objects there are: a stage waits while the
        next one has enough to do.
        """
        rows = [work.row() for work in works]
        self._set_context()
        plan = self.plan
        pool = ActorPoolStrategy(min_size=1, max_size=plan.generators)
        cpus, gpus = plan.cpus_each, plan.light_gpus
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        tries = ray.remote(Tries).options(num_cpus=0, scheduling_strategy=here).remote()
        data: Dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
        data = data.map(_told(ReadInputs), fn_constructor_args=(self.limits,), compute=pool, num_cpus=cpus)
        data = data.map(
            _told(PrepareImages), fn_constructor_args=(self.models,), compute=pool, num_cpus=cpus, num_gpus=gpus
        )
        data = data.map(
            _told(EncodeImages), fn_constructor_args=(self.models,), compute=pool, num_cpus=cpus, num_gpus=gpus
        )
        data = data.map(
            _told(GenerateParts),
            fn_constructor_args=(self.models, plan, tries),
            compute=ActorPoolStrategy(
                size=plan.generators,
                max_concurrent_calls_per_actor=plan.in_flight,
                max_tasks_in_flight_per_actor=plan.in_flight + 1,
            ),
            num_cpus=cpus,
            num_gpus=plan.generator_gpus,
        )
        data = data.map(_told(WriteResults), fn_constructor_args=(self.output,), compute=pool, num_cpus=cpus)
        for row in data.iter_rows():
            yield Outcome(**row)

    def _set_context(self) -> None:
        context = DataContext.get_current()
        context.enable_progress_bars = False  # the command has its own, which counts objects
        context.print_on_execution_start = False
        context.execution_no_progress_timeout_s = NO_LIMIT
        # The rest is the geometry actors', which Ray Data knows nothing of.
        context.execution_options.resource_limits = ExecutionResources(cpu=self.plan.data_cpus, gpu=self.plan.data_gpus)


def _told(stage: type[RowStage]) -> Callable[[Row], Row]:
    """The stage as Ray Data's types want it told: they know functions, not classes whose calls are awaited."""
    return cast("Callable[[Row], Row]", stage)
