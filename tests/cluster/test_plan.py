"""Every stage finds room, on a laptop and on a cluster."""

import pytest

from cluster.plan import plan


@pytest.mark.parametrize(("cpus", "gpus"), [(1, 0), (2, 0), (8, 0), (96, 0), (4, 1), (16, 1), (128, 8), (8, 4)])
def test_what_the_actors_claim_is_there(cpus: int, gpus: int) -> None:
    sizes = plan(cpus=cpus, gpus=gpus)
    geometry = sizes.generators * sizes.mesh_workers * sizes.cpus_each
    assert sizes.data_cpus + geometry <= cpus + 1e-9
    assert sizes.data_gpus <= gpus + 1e-9
    assert sizes.generators == max(1, gpus)
    assert sizes.mesh_workers >= 1


def test_generators_that_share_a_gpu_claim_it_once() -> None:
    sizes = plan(cpus=64, gpus=2, generators_per_gpu=2)
    assert sizes.generators == 4
    assert sizes.generators * (sizes.generator_gpus + sizes.light_gpus) <= 2


def test_what_is_asked_for_is_taken() -> None:
    sizes = plan(cpus=2, gpus=0, in_flight=5, mesh_workers=3)
    assert (sizes.in_flight, sizes.mesh_workers) == (5, 3)
