"""In a running service only the replicas that run networks have loaded torch."""

import pytest
from conftest import DEPLOYMENTS, RunningService

from benchmarks.service import loads_torch

pytestmark = [pytest.mark.http, pytest.mark.graph]

WITH_NETWORKS = {"ImageEncoder", "PartSampler", "ShapeCodec"}


def test_only_replicas_with_networks_have_torch(service: RunningService) -> None:
    replicas = {name: service.replicas(name) for name in DEPLOYMENTS}
    assert all(replicas.values())
    loaded = {name for name, processes in replicas.items() if any(loads_torch(one) for one in processes)}
    assert loaded == WITH_NETWORKS
