#!/bin/sh
# Runs the fast tests of what calls other packages, with the oldest ones that pyproject.toml allows.
# torch is the lock's: its oldest is to be had for Linux as gigabytes with CUDA only.
set -eu
cd "$(dirname "$0")/.."
environment=.venv-lowest
uv=.venv/bin/uv

.venv/bin/python -m venv --clear "$environment"
sh scripts/install_torch.sh "$environment"
$uv pip compile -q pyproject.toml --extra dev --resolution lowest-direct --only-binary :all: \
  --python .venv/bin/python --no-annotate --no-header -o "$environment/all.txt"
grep -vE '^(torch|triton|nvidia[-a-z0-9]*|cuda[-a-z0-9]*)=' "$environment/all.txt" > "$environment/lowest.txt"
$uv pip install -q --python "$environment/bin/python" --no-deps --only-binary :all: -r "$environment/lowest.txt"
$uv pip install -q --python "$environment/bin/python" --no-deps -e .
cd tests
PYTHONPATH=.. "../$environment/bin/python" -m pytest -q -p no:cacheprovider -m "not graph and not http and not browser and not gpu and not network" \
  background clients diffusion geometry inputs models presets protocol
cd ..
rm -r "$environment"
