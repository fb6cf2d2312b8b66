"""The front door: what `import apg_core` offers, and how little is imported for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import apg_core

ROOT = Path(__file__).parents[1]
# Each takes longer to import than a value is worth.
HEAVY = ("torch", "transformers", "diffusers", "ray", "trimesh", "PIL", "scipy", "skimage", "igl")
PUBLIC = {
    "DEFAULT_CONFIG",
    "ApgError",
    "Continue",
    "Generation",
    "GenerationOptions",
    "Merge",
    "Pick",
    "Pipeline",
    "Prompt",
    "Remove",
    "Rename",
    "Reorder",
    "Resample",
    "Split",
    "TriangleMesh",
    "edit",
    "generate_from_image",
    "generate_from_image_and_mask",
    "generate_from_image_and_mesh",
    "generate_from_mesh",
    "generate_parts",
    "load_pipeline",
    "suggest_mask",
}
VALUES = "ApgError, GenerationOptions, Prompt, TriangleMesh"


def imported_by(program: str) -> set[str]:
    """The heavy packages that a fresh process has imported after this program."""
    report = f"import sys\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{report}"], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stderr.split())


def test_these_are_the_public_names_and_each_can_be_imported() -> None:
    assert set(apg_core.__all__) == PUBLIC
    assert set(dir(apg_core)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(getattr(apg_core, name), "__name__", name) == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'generate'"):
        _ = apg_core.generate  # type: ignore[attr-defined]


@pytest.mark.parametrize("statement", ["import apg_core", f"from apg_core import {VALUES}"])
def test_importing_values_imports_nothing_heavy(statement: str) -> None:
    assert imported_by(statement) == set()


def test_the_values_are_there_in_the_client_alone_and_the_rest_says_what_to_install(tmp_path: Path) -> None:
    for name in ("__init__.py", "errors.py"):
        (tmp_path / "apg_core").mkdir(exist_ok=True)
        shutil.copy(ROOT / "apg_core" / name, tmp_path / "apg_core")
    shutil.copytree(ROOT / "apg_core" / "protocol", tmp_path / "apg_core" / "protocol")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]  # it would find the whole
import apg_core
from apg_core import {VALUES}
apg_core.load_pipeline
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    last = done.stderr.splitlines()[-1]
    assert last == "ImportError: load_pipeline is not in the client alone; install autopartgen-ray"


@pytest.mark.parametrize(
    "command",
    [[], ["generate"], ["edit"], ["submit"], ["edit-job"], ["mask"], ["serve"], ["eval"], ["doctor"], ["verify"]],
)
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    program = f"""
from apg_core.cli import main
try:
    main({[*command, "--help"]})
except SystemExit as ended:
    assert ended.code == 0
"""
    assert imported_by(program) == set()


@pytest.mark.parametrize("package", ["apg_core", "clients", "cluster", "deployments", "training"])
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", ["apg_core", "clients", "cluster", "deployments", "training"])
def test_every_folder_of_modules_is_a_package(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []
