"""The Serve config files say what they mean: a key that Serve would silently ignore is a mistake here."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from ray.serve._private import build_app as ray_build_app
from ray.serve._private.application_state import override_deployment_info
from ray.serve._private.deployment_info import DeploymentInfo
from ray.serve.schema import ServeApplicationSchema, ServeDeploySchema

from apg_core.pipeline.memory import GB, ROWS_OF_AN_OBJECT, memory
from apg_core.presets import load_preset
from deployments.app import build_app
from deployments.replicas.networks import CPU_ROWS
from deployments.settings import AppArgs

ROOT = Path(__file__).parents[2]
CONFIGS = ("serve_config.yaml", "serve_config.gpu.yaml")
GPU = "serve_config.gpu.yaml"


def application_of(name: str) -> ServeApplicationSchema:
    [application] = ServeDeploySchema.model_validate(yaml.safe_load((ROOT / name).read_text())).applications
    return application


def deployed(name: str) -> dict[str, DeploymentInfo]:
    """The deployments of a config as Serve's controller makes them: built, then sized by the file."""
    application = application_of(name)
    built = ray_build_app.build_app(
        build_app(AppArgs.model_validate(application.args)),
        name=application.name,
        make_deployment_handle=lambda deployment, _: deployment.name,  # a real handle would start Ray
    )
    infos = {
        one.name: DeploymentInfo(
            deployment_config=one._deployment_config,
            replica_config=one._replica_config,
            start_time_ms=0,
            deployer_job_id="",
        )
        for one in built.deployments
    }
    sized: dict[str, DeploymentInfo] = override_deployment_info(infos, application)
    return sized


@pytest.mark.parametrize("name", CONFIGS)
def test_every_key_is_one_that_serve_knows(name: str) -> None:
    content = yaml.safe_load((ROOT / name).read_text())
    known = ServeDeploySchema.model_validate(content)
    assert _unknown_keys(content, known) == []


@pytest.mark.parametrize("name", CONFIGS)
def test_every_deployment_is_sized_and_the_arguments_are_valid(name: str) -> None:
    application = application_of(name)
    load_preset(AppArgs.model_validate(application.args).models.preset)
    assert sorted(one.name for one in application.deployments) == sorted(deployed(name))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_service_listens_on_the_loopback_only(name: str) -> None:
    assert yaml.safe_load((ROOT / name).read_text())["http_options"]["host"] == "127.0.0.1"


def test_the_networks_of_the_gpu_config_fit_one_gpu() -> None:
    infos = deployed(GPU).values()
    fractions = [one.replica_config.resource_dict.get("GPU", 0) * one.deployment_config.num_replicas for one in infos]
    assert sum(fractions) == pytest.approx(1.0)


def test_every_network_of_the_gpu_config_has_a_share_of_the_gpu_and_nothing_else_has() -> None:
    on_gpu = {name for name, one in deployed(GPU).items() if one.replica_config.resource_dict.get("GPU", 0) > 0}
    assert on_gpu == {"BackgroundRemover", "ImageEncoder", "PartSampler", "ShapeCodec"}


@pytest.mark.parametrize(("preset", "card", "rows"), [("2048", 80, 48), ("2048", 48, 28), ("4096", 80, 32)])
def test_the_rows_that_the_gpu_config_names_fit_their_cards(preset: str, card: int, rows: int) -> None:
    assert memory(load_preset(f"autopartgen-{preset}")).rows_on(card * GB) >= rows
    assert f"{rows} " in (ROOT / GPU).read_text()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_job_that_runs_has_its_place_in_the_sampler(name: str) -> None:
    args, infos = AppArgs.model_validate(application_of(name).args), deployed(name)
    jobs = args.concurrent_jobs * infos["Orchestrator"].deployment_config.num_replicas
    assert jobs <= infos["PartSampler"].deployment_config.max_ongoing_requests
    assert jobs * ROWS_OF_AN_OBJECT <= (args.models.sampler_rows or CPU_ROWS)


def _unknown_keys(content: Any, model: Any, path: str = "") -> list[str]:
    if isinstance(model, list | tuple):
        return [key for one, known in zip(content, model, strict=True) for key in _unknown_keys(one, known, path)]
    if not isinstance(model, BaseModel) or not isinstance(content, dict):
        return []
    found = []
    for key, value in content.items():
        if key not in type(model).model_fields:
            found.append(f"{path}{key}")
        else:
            found += _unknown_keys(value, getattr(model, key), f"{path}{key}.")
    return found
