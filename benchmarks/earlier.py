"""An earlier revision of this project, to be measured beside this tree, in this environment."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def earlier_tree(revision: str) -> Iterator[Path]:
    """A working tree of the revision, removed afterwards.

    A package that only it needs must be installed by hand: before `f3279f9` that is `fpsample==1.0.2`.
    """
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def run_in(tree: Path, *arguments: str) -> str:
    """What Python with these arguments prints in the tree, with one thread."""
    process = start_in(tree, *arguments)
    shown, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return shown


def start_in(tree: Path, *arguments: str) -> subprocess.Popen[str]:
    """Python with these arguments in the tree, with one thread; its standard input and output are ours."""
    path = os.pathsep.join([str(tree), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
