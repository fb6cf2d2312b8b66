"""The files of the client's own distribution: enough to import it, without NumPy, torch or anything else of ours."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "packages" / "client"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())
IMPORT = """
import sys
for name in ("numpy", "jaxtyping", "torch", "trimesh", "PIL", "rich", "ray"):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[1])
import clients.__main__, clients.handle
from clients import AsyncAutoPartGenClient, AutoPartGenClient
for module in sys.modules.values():
    if getattr(module, "__name__", "").partition(".")[0] in ("apg_core", "clients"):
        assert module.__file__.startswith(sys.argv[1]), module
"""


def test_the_client_s_files_are_enough_to_import_it(tmp_path: Path) -> None:
    for source, target in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items():
        original, copy = FOLDER / source, tmp_path / target
        copy.parent.mkdir(parents=True, exist_ok=True)
        if original.is_dir():
            shutil.copytree(original, copy)
        else:
            shutil.copyfile(original, copy)
    ran = subprocess.run([sys.executable, "-I", "-c", IMPORT, tmp_path], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_client_needs_no_more_than_the_whole_project_says_of_it() -> None:
    whole = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    known = {*whole["dependencies"], *whole["optional-dependencies"]["client"]}
    needs = PROJECT["project"]
    assert {*needs["dependencies"], *needs["optional-dependencies"]["progress"]} <= known
