"""`apg serve` makes one config of a file and its flags."""

import argparse
from pathlib import Path

import yaml

from deployments.commands import _config


def test_the_flags_go_to_the_applications_of_all_presets(tmp_path: Path) -> None:
    applications = [{"name": name, "args": {"models": {"preset": name}}} for name in ("nano", "tiny")]
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump({"applications": applications}))
    folder = tmp_path / "state"
    flags = argparse.Namespace(config=file, host=None, port=8123, keys=None, folder=folder, checkpoints=tmp_path)
    config = _config(flags)
    assert config.parent == folder
    made = yaml.safe_load(config.read_text())
    assert made["http_options"] == {"port": 8123}
    assert [one["args"] for one in made["applications"]] == [
        {
            "models": {"preset": name, "checkpoints": str(tmp_path)},
            "stores": {"folder": str(folder)},
            "access": {},
        }
        for name in ("nano", "tiny")
    ]
