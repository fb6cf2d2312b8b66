"""The Khronos glTF validator, which is a package of node."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def lacks_validator() -> str | None:
    """What keeps it from running here."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (TESTS / "node_modules" / "gltf-validator").is_dir():
        return "the Khronos validator is not installed: npm ci --prefix tests"
    return None


needs_validator = pytest.mark.skipif(lacks_validator() is not None, reason=lacks_validator() or "")


def findings(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Errors, warnings, infos and hints of each file that has any."""
    command = ["node", str(TESTS / "validate_gltf.js"), *map(str, paths)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    found = {path.name: json.loads(line) for path, line in zip(paths, printed.splitlines(), strict=True)}
    return {name: [f"{one['code']} {one['pointer']}" for one in some] for name, some in found.items() if some}
