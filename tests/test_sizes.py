"""A function fits one screen, and takes few values: checked for every function of the library and the service."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_PARAMETERS = 50, 5
# The functions that take more, and why.
MANY_PARAMETERS = {
    "apg_core/diffusion/trajectories.py:Trajectory.__init__": "the network, what guides it, and numbers of a request",
    "apg_core/models/attention.py:Block.__init__": "a switch for each way in which the checkpoints' blocks differ",
    "apg_core/pipeline/local.py:generate_from_image_and_mask": "the public call with the most inputs",
    "apg_core/pipeline/local.py:generate_parts": "the public call: every input, and what becomes of the results",
    "apg_core/pipeline/sampling.py:PartSampler.__init__": "the network, and what a preset says of its latents",
    "deployments/http/jobs.py:list_jobs": "FastAPI fills each in from the request",
    "deployments/http/submissions.py:edit_job": "FastAPI fills each in from the request",
    "deployments/http/submissions.py:submit_job": "FastAPI fills each in from the request",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(package: str) -> Iterator[tuple[str, Function]]:
    """Every function with its name as `path:class.function`; functions within functions belong to the outer one."""
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        owners = [("", tree), *((f"{node.name}.", node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
        for owner, node in owners:
            for function in node.body:
                if isinstance(function, Function):
                    yield f"{path.relative_to(ROOT).as_posix()}:{owner}{function.name}", function


def lines(function: Function) -> int:
    """From `def` to the end, docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def parameters(function: Function) -> int:
    """Values that a caller gives."""
    given = function.args
    named = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"]))


@pytest.mark.parametrize("package", ["apg_core", "deployments"])
def test_no_function_is_longer_than_a_screen(package: str) -> None:
    assert [name for name, found in functions(package) if lines(found) > MOST_LINES] == []


@pytest.mark.parametrize("package", ["apg_core", "deployments"])
def test_functions_take_few_values(package: str) -> None:
    many = {name for name, found in functions(package) if parameters(found) > MOST_PARAMETERS}
    assert many == {name for name in MANY_PARAMETERS if name.startswith(f"{package}/")}
