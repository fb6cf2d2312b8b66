#!/bin/sh
# Installs the lock's torch into the environment in folder $1: a CPU build where there is no NVIDIA GPU.
set -eu
environment="$1"
pip="$environment/bin/python -m pip --disable-pip-version-check"
torch="$(grep -E '^torch==' "$(dirname "$0")/../requirements.lock")"
torch="${torch%% *}"

if "$environment/bin/python" -c 'import torch' 2>/dev/null; then exit 0; fi
if [ "$(uname)" = Linux ] && ! nvidia-smi -L >/dev/null 2>&1; then
  # A wheel that pip was told about, else the CPU build that uv knows where to get, else whatever pip finds.
  $pip install -q --no-index --no-deps "$torch" 2>/dev/null ||
    { $pip install -q uv && "$environment/bin/uv" pip install -q --python "$environment/bin/python" \
      --torch-backend cpu "$torch"; } ||
    { echo "no CPU build of $torch found; installing the default one, which may bring CUDA packages" >&2
      $pip install "$torch"; }
else
  $pip install "$torch"
fi
