"""The Serve config files say what they mean: a key that Serve would silently ignore is a mistake here."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema

from apg_core.presets import load_preset
from deployments.background_remover import BackgroundRemover
from deployments.image_encoder import ImageEncoder
from deployments.mesh_worker import MeshWorker
from deployments.orchestrator import Orchestrator
from deployments.part_sampler import PartSampler
from deployments.settings import AppArgs
from deployments.shape_codec import ShapeCodec

ROOT = Path(__file__).parents[2]
CONFIGS = ("serve_config.yaml", "serve_config.gpu.yaml")
KINDS = (Orchestrator, BackgroundRemover, ImageEncoder, PartSampler, ShapeCodec, MeshWorker)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_key_is_one_that_serve_knows(name: str) -> None:
    content = yaml.safe_load((ROOT / name).read_text())
    known = ServeDeploySchema.model_validate(content)
    assert _unknown_keys(content, known) == []


@pytest.mark.parametrize("name", CONFIGS)
def test_every_deployment_is_sized_and_the_arguments_are_valid(name: str) -> None:
    [application] = yaml.safe_load((ROOT / name).read_text())["applications"]
    args = AppArgs.model_validate(application["args"])
    load_preset(args.models.preset)
    names = [deployment["name"] for deployment in application["deployments"]]
    assert sorted(names) == sorted(["Ingress", *(kind.__name__ for kind in KINDS)])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_service_listens_on_the_loopback_only(name: str) -> None:
    assert yaml.safe_load((ROOT / name).read_text())["http_options"]["host"] == "127.0.0.1"


def test_the_networks_of_the_gpu_config_fit_one_gpu() -> None:
    [application] = yaml.safe_load((ROOT / "serve_config.gpu.yaml").read_text())["applications"]
    fractions = [one["ray_actor_options"].get("num_gpus", 0) for one in application["deployments"]]
    assert sum(fractions) == pytest.approx(1.0)


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
