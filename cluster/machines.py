"""The machines of a Ray cluster: those that are there, and those that its autoscaler is asked for."""

import logging
import time
from collections.abc import Mapping, Sequence

import ray
from ray.autoscaler.sdk import request_resources

from apg_core.errors import SetupError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

Machine = Mapping[str, float]
"""What a node has, by Ray's names."""


def machines() -> Sequence[Machine]:
    """The nodes that are alive."""
    nodes: list[dict[str, dict[str, float]]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def gpus_of(found: Sequence[Machine]) -> float:
    """How many GPUs they have together."""
    return sum(machine.get("GPU", 0) for machine in found)


def machines_with(gpus: int, *, seconds: float) -> Sequence[Machine]:
    """The nodes, once they have this many GPUs; where the cluster grows, it is asked to, until `let_go`.

    Raises:
        SetupError: none has come in so many seconds; with fewer than were asked for the work begins all the same.
    """
    request_resources(bundles=[{"GPU": 1.0}] * gpus)
    until = time.monotonic() + seconds
    while (there := gpus_of(machines())) < gpus and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    if there == 0:
        raise SetupError(f"--gpus {gpus}: the cluster has no GPU after {seconds:g} s; does it grow, or is it full?")
    if there < gpus:
        log.warning("%g GPUs of %d after %g s; going on with them", there, gpus, seconds)
    return machines()


def let_go() -> None:
    """Ask for no machine any more than what runs needs."""
    request_resources(bundles=[])
