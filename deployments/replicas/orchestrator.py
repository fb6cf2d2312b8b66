"""The deployment that claims jobs and runs them over the others; see `deployments.running`."""

import asyncio
from functools import partial

from apg_core.presets import load_preset
from apg_core.presets.weights import provenance_of
from deployments.logs import enter_job
from deployments.replicas.handle_stages import HandleStages, StageHandles
from deployments.replicas.process import set_up_process
from deployments.replicas.replica import Replica
from deployments.running.runner import JobRunner
from deployments.running.worker import JobWorker
from deployments.scaling import UNFINISHED_JOBS
from deployments.settings import AppArgs
from deployments.stores.jobs.records import JobRecord, Share
from deployments.stores.opening import open_stores


class OrchestratorReplica(Replica):
    """Runs up to `concurrent_jobs` jobs at a time; several replicas share the queue."""

    def __init__(self, args: AppArgs, *, stages: StageHandles, is_first: bool) -> None:
        """Where it is not the first application's, it runs the jobs of its own preset alone."""
        set_up_process()
        self._stores = open_stores(args.stores)
        preset = load_preset(args.models.preset)
        others = frozenset(load_preset(name).name for name in args.more_presets) if is_first else None
        self._share = Share(preset=preset.name, others=others)
        precision = preset.precision_on(args.models.device, args.models.precision)
        runner = JobRunner(
            preset=preset,
            provenance=provenance_of(preset, (args.models.checkpoints,), precision=precision, inputs={}),
            stages=partial(_stages_of, stages),
            leases=self._stores.leases,
            artifacts=self._stores.artifacts,
        )
        self._worker = JobWorker(self._stores, runner, concurrent_jobs=args.concurrent_jobs, share=self._share)
        self._worker.start()

    async def check_health(self) -> None:
        """Raise if the worker has stopped by itself: Serve replaces this replica then."""
        self._worker.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What Serve's autoscaler cannot see by itself; see `deployments.scaling`."""
        return {UNFINISHED_JOBS: await asyncio.to_thread(self._stores.leases.unfinished, self._share)}

    async def __del__(self) -> None:
        """Give every job back to the queue; Serve awaits this when a replica is asked to stop."""
        await self._worker.stop()
        self._stores.database.close()


def _stages_of(handles: StageHandles, job: JobRecord) -> HandleStages:
    enter_job(job.id, request_id=job.request_id)  # this task is the job's
    return HandleStages(handles)
