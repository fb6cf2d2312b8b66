"""A function fits one screen, and takes few values: checked for every function of the library and the service."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_PARAMETERS = 50, 5
# Functions that take more, and why.
MANY_PARAMETERS = {}

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
    """Lines of code: from `def` to the end, without the docstring."""
    return (function.end_lineno or 0) - function.lineno + 1


def parameters(function: Function) -> int:
    """Values that a caller gives."""
    given = function.args
    named = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(named) - (named[:1] in (["self"], ["cls"]))


@pytest.mark.parametrize("package", ["apg_core", "deployments"])
def test_no_function_is_longer_than_a_screen(package: str) -> None:
    assert {name: lines(found) for name, found in functions(package) if lines(found) > MOST_LINES} == {}


@pytest.mark.parametrize("package", ["apg_core", "deployments"])
def test_functions_take_few_values(package: str) -> None:
    many = {name for name, found in functions(package) if parameters(found) > MOST_PARAMETERS}
    assert many == {name for name in MANY_PARAMETERS if name.startswith(f"{package}/")}
