"""The totals of the job store in Prometheus' text format."""

import math
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apg_core.protocol.job import JobStatus
from deployments.stores.jobs import tallies
from deployments.stores.jobs.tallies import Histogram, Readings, Total

_COUNTERS = {
    Total.SUBMITTED: ("apg_jobs_submitted", "Jobs that were accepted", "mode"),
    Total.FINISHED: ("apg_jobs_finished", "Jobs that ended", "outcome"),
    Total.TAKEN_OVER: ("apg_jobs_taken_over", "Jobs that a runner took up after another one was lost", None),
    Total.RETRIED: ("apg_stages_retried", "Stages done again because their replica was lost", "stage"),
    Total.ATTEMPTS: ("apg_part_attempts", "Attempts at a part, by how they came out", "outcome"),
}
_HISTOGRAMS = {
    tallies.QUEUE_SECONDS: ("apg_queue_seconds", "Time from submission to the first runner", None),
    tallies.JOB_SECONDS: ("apg_job_seconds", "Time from submission to the end", None),
    tallies.STAGE_SECONDS: ("apg_stage_seconds", "Time that a job spent in a stage", "stage"),
    tallies.JOB_PARTS: ("apg_job_parts", "Parts of a job", None),
    tallies.JOB_RUNS: ("apg_job_attempts", "Runners that took up a job", None),
}


def exposition(readings: Readings) -> bytes:
    """All metrics as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Totals(readings))
    return generate_latest(registry)


class _Totals(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for total, (name, text, label) in _COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=[label] if label else [])
            counts = self._readings.totals.get(total, {})
            for value, count in (counts or ({} if label else {"": 0.0})).items():
                counter.add_metric([value] if label else [], count)
            yield counter
        for measure, (name, text, label) in _HISTOGRAMS.items():
            family = HistogramMetricFamily(name, text, labels=[label] if label else [])
            observed = self._readings.histograms.get(measure.name, {})
            for value, histogram in (observed or ({} if label else {"": Histogram(measure)})).items():
                buckets = [(_bound(bound), count) for bound, count in histogram.cumulative()]
                family.add_metric([value] if label else [], buckets, histogram.sum)
            yield family
        jobs = GaugeMetricFamily("apg_jobs", "Jobs in the store", labels=["status"])
        for status in JobStatus:
            jobs.add_metric([status], self._readings.by_status.get(status, 0))
        yield jobs
        oldest = self._readings.oldest_queued_at
        waiting = 0.0 if oldest is None else max(time.time() - oldest, 0.0)
        yield GaugeMetricFamily("apg_queue_oldest_seconds", "How long the oldest queued job has waited", value=waiting)


def _bound(bound: float) -> str:
    return "+Inf" if bound == math.inf else f"{bound:g}"
