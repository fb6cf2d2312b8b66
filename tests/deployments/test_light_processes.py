"""Who runs no network loads no torch, and who does no geometry no trimesh: a fifth of the memory, half the start."""

import subprocess
import sys

import pytest

WITHOUT_NETWORKS = (
    "deployments.app",
    "deployments.replicas.ingress",
    "deployments.replicas.orchestrator",
    "deployments.replicas.mesh_worker",
    "deployments.replicas.background_remover",
    "deployments.replicas.part_sampler",  # callers have its class, too; its replicas load torch when they are made
    "deployments.front",
    "deployments.desk",
    "deployments.running.runner",
    "apg_core.sandbox.decoder",
    "apg_core.presets",
    "apg_core.pipeline.generate",
    "apg_core.pipeline.finishing",
)


WITHOUT_GEOMETRY = (
    "deployments.app",
    "deployments.replicas.ingress",
    "deployments.replicas.orchestrator",
    "deployments.replicas.part_sampler",
    "deployments.replicas.shape_codec",
    "apg_core.pipeline.codec",
    "apg_core.pipeline.shared_sampling",
)


def loaded_by(code: str) -> set[str]:
    """The modules of a fresh process that has run this."""
    command = [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", WITHOUT_NETWORKS)
def test_what_runs_no_network_loads_no_torch(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module in loaded
    assert {"torch", "diffusers", "transformers"}.isdisjoint(loaded)


@pytest.mark.parametrize("module", WITHOUT_GEOMETRY)
def test_what_does_no_geometry_loads_no_libraries_for_it(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module in loaded
    assert {"trimesh", "scipy", "skimage", "igl", "manifold3d", "wasmtime"}.isdisjoint(loaded)


def test_a_picture_is_encoded_without_half_of_torch() -> None:
    loaded = loaded_by(
        "from apg_core.pipeline.loading import ModelLoader, pick_device; from apg_core.presets import load_preset; "
        "ModelLoader(load_preset('tiny'), device=pick_device('cpu')).image_encoder()"
    )
    assert {"transformers", "sympy", "torch._dynamo"}.isdisjoint(loaded)


def test_a_background_is_removed_plainly_without_torch() -> None:
    loaded = loaded_by(
        "from deployments.replicas.background_remover import BackgroundRemoverReplica; "
        "from deployments.settings import ModelSettings; BackgroundRemoverReplica(ModelSettings())"
    )
    assert "torch" not in loaded
