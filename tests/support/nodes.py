"""A Ray cluster of several nodes on one machine: each has processes, an address and an object store of its own."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from ray._private.node import Node
from ray.cluster_utils import Cluster

START_SECONDS = 600.0
CPUS = 4  # that a worker node claims to have
OBJECT_STORE_BYTES = 200 * 2**20
# A dead node is known after about this many seconds; by default it takes half a minute.
DEATH_SECONDS = 8
SETTINGS = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": DEATH_SECONDS,
}
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a driver is on 127.0.0.1 too, and so belongs to the head
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_niceness": "0",
}


class Nodes:
    """A head that runs no work, as on Kubernetes, and worker nodes that can be killed and added."""

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._added = 0
        self._add(num_cpus=0, include_dashboard=False, _system_config=SETTINGS)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be a driver of this cluster."""
        return {**os.environ, "RAY_ADDRESS": str(self._cluster.address)}

    @property
    def workers(self) -> list[Node]:
        """The worker nodes that live."""
        return sorted(self._cluster.worker_nodes, key=lambda node: str(node.node_ip_address))

    def have_workers(self, count: int) -> None:
        """Add worker nodes until there are this many."""
        while len(self.workers) < count:
            self._add(num_cpus=CPUS)
        self._cluster.wait_for_nodes(START_SECONDS)

    def processes(self, node: Node, title: str) -> list[psutil.Process]:
        """The processes of a node with these words in their title."""
        [raylet] = node.all_processes["raylet"]
        found = []
        for process in psutil.Process(raylet.process.pid).children(recursive=True):
            try:
                if title in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def holder_of(self, title: str) -> Node:
        """A worker node that runs a process with these words in its title; there must be one."""
        return next(node for node in self.workers if self.processes(node, title))

    def kill(self, node: Node) -> None:
        """SIGKILL a worker node; its processes follow it at once."""
        lost = self.processes(node, "ray::")
        self._cluster.remove_node(node, allow_graceful=False)
        _, alive = psutil.wait_procs(lost, timeout=60)
        assert alive == [], f"outlive their node: {alive}"

    def stop(self) -> None:
        """Stop what is left of it."""
        self._cluster.shutdown()
        gc.collect()  # Ray's unclosed sockets are found now, not in somebody else's test

    def _add(self, **settings: object) -> None:
        self._added += 1
        self._cluster.add_node(
            wait=False,
            node_ip_address=f"127.0.0.{self._added}",
            object_store_memory=OBJECT_STORE_BYTES,
            **settings,
        )


@contextmanager
def running_nodes(folder: Path) -> Iterator[Nodes]:
    """A head without workers; `folder` has a short path, since unix sockets live below it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "HOME": str(folder), "RAY_TMPDIR": str(folder)}.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        nodes = Nodes()
        try:
            yield nodes
        finally:
            nodes.stop()
