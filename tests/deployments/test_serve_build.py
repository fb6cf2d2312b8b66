"""`serve build`, as Ray documents it for making a config file of an application."""

import subprocess
import sys
from pathlib import Path

import yaml
from ray.serve.schema import ServeDeploySchema

ROOT = Path(__file__).parents[2]


def test_serve_build_gives_a_config_of_every_deployment(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("serve")
    target = tmp_path / "built.yaml"
    subprocess.run(
        [program, "build", "deployments.app:app", "-o", target], cwd=ROOT, check=True, capture_output=True, timeout=300
    )
    [built] = ServeDeploySchema.model_validate(yaml.safe_load(target.read_text())).applications
    [written] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"]
    assert {one.name for one in built.deployments} == {one["name"] for one in written["deployments"]}
    assert built.import_path == "deployments.app:app"
