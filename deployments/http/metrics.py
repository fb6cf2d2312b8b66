"""The totals of the job store in Prometheus' text format."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from apg_core.protocol.job import JobStatus
from deployments.stores.jobs.tallies import PARTS_BOUNDS, SECONDS_BOUNDS, Readings

_COUNTERS = {
    "submitted": ("apg_jobs_submitted", "Jobs that were accepted", "mode"),
    "finished": ("apg_jobs_finished", "Jobs that ended", "outcome"),
    "taken_over": ("apg_jobs_taken_over", "Jobs that a runner took up after another one was lost", None),
    "retried": ("apg_stages_retried", "Stages done again because their replica was lost", "stage"),
    "attempts": ("apg_part_attempts", "Attempts at a part, by how they came out", "outcome"),
}
_HISTOGRAMS = {
    "queue_seconds": ("apg_queue_seconds", "Time from submission to the first runner", SECONDS_BOUNDS, None),
    "job_seconds": ("apg_job_seconds", "Time from submission to the end", SECONDS_BOUNDS, None),
    "stage_seconds": ("apg_stage_seconds", "Time that a job spent in a stage", SECONDS_BOUNDS, "stage"),
    "job_parts": ("apg_job_parts", "Parts of a job", PARTS_BOUNDS, None),
    "job_attempts": ("apg_job_attempts", "Runners that took up a job", PARTS_BOUNDS, None),
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
        for name, (metric, text, label) in _COUNTERS.items():
            counter = CounterMetricFamily(metric, text, labels=[label] if label else [])
            totals = self._readings.totals.get(name, {})
            for value, total in (totals or ({} if label else {"": 0.0})).items():
                counter.add_metric([value] if label else [], total)
            yield counter
        for name, (metric, text, bounds, label) in _HISTOGRAMS.items():
            yield _histogram(metric, text, bounds, label, self._readings.totals.get(name, {}))
        jobs = GaugeMetricFamily("apg_jobs", "Jobs in the store", labels=["status"])
        for status in JobStatus:
            jobs.add_metric([status], self._readings.by_status.get(status, 0))
        yield jobs
        oldest = self._readings.oldest_queued_at
        waiting = 0.0 if oldest is None else max(time.time() - oldest, 0.0)
        yield GaugeMetricFamily("apg_queue_oldest_seconds", "How long the oldest queued job has waited", value=waiting)


def _histogram(
    metric: str, text: str, bounds: tuple[float, ...], label: str | None, totals: Mapping[str, float]
) -> Metric:
    family = HistogramMetricFamily(metric, text, labels=[label] if label else [])
    values = sorted({key.rpartition("|")[0] for key in totals}) if label else [""]
    for value in values:
        prefix = f"{value}|" if value else ""
        buckets, seen = [], 0.0
        for bound in (*bounds, float("inf")):
            seen += totals.get(f"{prefix}le={bound:g}", 0.0)
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", seen))
        family.add_metric([value] if label else [], buckets, totals.get(f"{prefix}sum", 0.0))
    return family
