"""What Ray Serve costs before this project does anything: as many replicas as the service has, which do nothing.

Run with `python -m benchmarks.empty_service` on an idle machine; prints seconds to ready, and MiB of the replicas.
"""

import logging
import tempfile
import time

import psutil
import ray
from ray import serve

from benchmarks.service import memory_of, unused_port

REPLICAS = 8


class Nothing:
    """A replica without work."""

    def __init__(self, *others: object) -> None:
        self._others = others

    async def __call__(self, _: object) -> str:
        return "nothing"


def main() -> None:
    """Start, measure, stop."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="apg", ignore_cleanup_errors=True) as folder:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=True, _temp_dir=folder)
        serve.start(http_options={"host": "127.0.0.1", "port": unused_port()})
        others = [_deployed(f"Nothing{i}") for i in range(REPLICAS - 1)]
        serve.run(_deployed("Ingress", *others), name="autopartgen")
        seconds = time.perf_counter() - started
        print(f"{seconds:.1f} {sum(memory_of(psutil.Process()).values()) / 2**20:.0f}")
        ray.shutdown()


def _deployed(name: str, *others: serve.Application) -> serve.Application:
    return serve.deployment(name=name, ray_actor_options={"num_cpus": 0.1})(Nothing).bind(*others)


if __name__ == "__main__":
    main()
