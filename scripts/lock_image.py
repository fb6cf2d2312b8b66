"""Writes cluster/requirements.txt: what the images install beside torch, with the hash of each file that fits them.

python scripts/lock_image.py        of requirements.lock; asks the package index, downloads no package
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "cluster" / "requirements.txt"
PYTHON = (3, 11)
GLIBC = range(36, 4, -1)  # Debian bookworm's, and older
ELSEWHERE = ("torch", "triton", "nvidia-", "cuda-")  # torch brings these, in another build for each image
HEADING = (
    "# Made by `python scripts/lock_image.py` of requirements.lock; do not edit. For Python 3.11 on Linux, x86-64.\n"
)


def tags() -> set[Tag]:
    """What a wheel may be for."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC]
    platforms += [f"{older}_x86_64" for older in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    return {*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, "cp311", platforms)}


def locked() -> Sequence[Mapping[str, object]]:
    """The packages, each with all its files."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "pylock.toml"
        command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "-q", "pyproject.toml"]
        command += ["--extra", "serve", "--extra", "batch", "--constraint", "requirements.lock"]
        command += ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
        subprocess.run([*command, "--format", "pylock.toml", "-o", str(lock)], cwd=ROOT, check=True)
        packages: Sequence[Mapping[str, object]] = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
        return packages


def lines(packages: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """A requirement for each package, with the hashes of the wheels that fit."""
    fitting = tags()
    for package in packages:
        name = str(package["name"])
        if not name.startswith(ELSEWHERE):
            wheels: Sequence[Mapping[str, Mapping[str, str]]] = package.get("wheels", ())  # type: ignore[assignment]
            hashes = sorted(wheel["hashes"]["sha256"] for wheel in wheels if _tags_of(wheel) & fitting)
            if not hashes:
                raise SystemExit(f"{name}: no wheel fits the image")
            yield " \\\n    ".join([f"{name}=={package['version']}", *(f"--hash=sha256:{one}" for one in hashes)])


def _tags_of(wheel: Mapping[str, object]) -> frozenset[Tag]:
    file = str(wheel.get("name") or str(wheel.get("url") or wheel["path"]).rpartition("/")[2])
    return parse_wheel_filename(file)[3]


if __name__ == "__main__":
    RESULT.write_text(HEADING + "\n".join(lines(locked())) + "\n", encoding="utf-8")
