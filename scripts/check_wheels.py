"""Checks that the lock installs from wheels alone, with no compiler, everywhere that this project says it runs.

Run by `make wheels`. Nothing is installed and no wheel is downloaded: uv resolves each platform from its index.
"""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
PYTHONS = ("3.11", "3.12", "3.13")
MACOS = "14.0"  # the oldest that torch has wheels for


def main() -> int:
    """A line for each platform and Python; 0 if wheels do for all of them."""
    failed = 0
    for platform, python in product(PLATFORMS, PYTHONS):
        complaint = lacks(platform, python)
        print(f"{platform}, Python {python}: {complaint or 'wheels for everything'}", flush=True)
        failed += complaint is not None
    return 1 if failed else 0


def lacks(platform: str, python: str) -> str | None:
    """What uv says is missing there; None if nothing is."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:", "--no-header"]
    command += ["--python-platform", platform, "--python-version", python, str(LOCK)]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return None if ran.returncode == 0 else ran.stderr.strip()


if __name__ == "__main__":
    sys.exit(main())
