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


@pytest.mark.parametrize("module", WITHOUT_NETWORKS)
def test_what_runs_no_network_loads_no_torch(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert module in loaded
    assert {"torch", "diffusers", "transformers"}.isdisjoint(loaded)


WITHOUT_GEOMETRY = (
    "deployments.app",
    "deployments.replicas.ingress",
    "deployments.replicas.orchestrator",
    "deployments.replicas.part_sampler",
    "deployments.replicas.shape_codec",
    "apg_core.pipeline.codec",
    "apg_core.pipeline.shared_sampling",
)


@pytest.mark.parametrize("module", WITHOUT_GEOMETRY)
def test_what_does_no_geometry_loads_no_libraries_for_it(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert module in loaded
    assert {"trimesh", "scipy", "skimage", "igl", "manifold3d", "wasmtime"}.isdisjoint(loaded)


def test_a_background_is_removed_plainly_without_torch() -> None:
    code = """
import sys
from deployments.replicas.background_remover import BackgroundRemoverReplica
from deployments.settings import ModelSettings
BackgroundRemoverReplica(ModelSettings())
print(*sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "torch" not in loaded
