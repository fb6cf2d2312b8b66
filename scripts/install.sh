#!/bin/sh
# Makes .venv from the lock, by wheels alone, with a CPU build of torch where there is no NVIDIA GPU.
set -eu
cd "$(dirname "$0")/.."

for python in ${PYTHON:-python3 python3.12 python3.13 python3.11}; do
  if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then found="$python"; break; fi
done
if [ -z "${found:-}" ]; then
  echo "no Python 3.11, 3.12 or 3.13 found; install one, or name it: make PYTHON=/path/to/python" >&2
  exit 1
fi

[ -x .venv/bin/python ] || "$found" -m venv .venv
sh scripts/install_torch.sh .venv

# The lock is complete, and was resolved when it was made.
pip=".venv/bin/python -m pip --disable-pip-version-check"
$pip install -q --no-deps --only-binary :all: -r requirements.lock
$pip install -q --no-deps -e .
