"""A batch asks a cluster that grows for the GPUs that it is to have; the cluster is a stand-in here."""

import pytest

from apg_core.errors import SetupError
from cluster.machines import let_go, machines_with


class Growing:
    """Adds a machine with a GPU at each look, up to so many, while more are asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.gpus = 0
        self.asked: list[list[dict[str, float]]] = []

    def request_resources(self, *, bundles: list[dict[str, float]]) -> None:
        self.asked.append(bundles)

    def nodes(self) -> list[dict[str, object]]:
        self.gpus = min(self.gpus + 1, self.most, len(self.asked[-1]))
        gone = {"Alive": False, "Resources": {"GPU": 8.0}}
        return [gone] + [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}} for _ in range(self.gpus)]


def growing(most: int, patch: pytest.MonkeyPatch) -> Growing:
    cluster = Growing(most)
    patch.setattr("cluster.machines.request_resources", cluster.request_resources)
    patch.setattr("cluster.machines.ray.nodes", cluster.nodes)
    patch.setattr("cluster.machines.LOOK_SECONDS", 0)
    return cluster


def test_machines_come_that_are_asked_for_and_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = growing(4, monkeypatch)
    assert list(machines_with(3, seconds=60)) == [{"CPU": 8.0, "GPU": 1.0}] * 3
    let_go()
    assert cluster.asked == [[{"GPU": 1.0}] * 3, []]


def test_the_work_begins_with_fewer_and_not_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    growing(1, monkeypatch)
    assert len(machines_with(2, seconds=0.1)) == 1
    growing(0, monkeypatch)
    with pytest.raises(SetupError, match="--gpus 2: the cluster has no GPU after"):
        machines_with(2, seconds=0.1)
