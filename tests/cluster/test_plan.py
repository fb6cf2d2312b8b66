"""Every stage finds room, on a laptop and on a cluster."""

import pytest

from cluster.plan import Plan, plan


@pytest.mark.parametrize(("cpus", "gpus"), [(1, 0), (2, 0), (8, 0), (96, 0), (4, 1), (16, 1), (128, 8), (8, 4)])
def test_what_the_actors_claim_is_there(cpus: int, gpus: int) -> None:
    sizes = plan([cpus], gpus=gpus)
    assert claimed(sizes) <= cpus + 1e-9
    assert sizes.data_gpus <= gpus + 1e-9
    assert sizes.generators == max(1, gpus)
    assert sizes.mesh_workers >= 1


@pytest.mark.parametrize("machines", [[0, 4, 4], [2, 16, 8], [1, 1], [64] * 20])
@pytest.mark.parametrize("gpus", [0, 2])
def test_the_claims_fit_on_what_is_left_when_any_one_machine_goes_away(machines: list[float], gpus: int) -> None:
    assert claimed(plan(machines, gpus=gpus)) <= sum(machines) - max(machines) + 1e-9


def test_without_gpus_every_machine_that_works_gets_a_generator_of_its_size() -> None:
    sizes = plan([0, 8, 16, 8], gpus=0)
    assert (sizes.generators, sizes.threads) == (3, 4)


def claimed(sizes: Plan) -> float:
    return sizes.data_cpus + sizes.generators * sizes.mesh_workers * sizes.cpus_each


def test_generators_that_share_a_gpu_claim_it_once() -> None:
    sizes = plan([64], gpus=2, generators_per_gpu=2)
    assert sizes.generators == 4
    assert sizes.generators * (sizes.generator_gpus + sizes.light_gpus) <= 2


def test_what_is_asked_for_is_taken() -> None:
    sizes = plan([2], gpus=0, in_flight=5, mesh_workers=3)
    assert (sizes.in_flight, sizes.mesh_workers) == (5, 3)
