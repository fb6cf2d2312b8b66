#!/bin/sh
# Installs what the tests of the page need: a browser from the system's packages, and playwright, which drives it.
# Where there is a Chromium or Chrome already, APG_BROWSER may name it, and nothing of the system is touched.
set -eu
cd "$(dirname "$0")/.."

wanted="$(sed -n 's/^browser = \["\(.*\)"\].*/\1/p' pyproject.toml)"
.venv/bin/python -m pip --disable-pip-version-check install -q --only-binary :all: "$wanted"

if [ -n "${APG_BROWSER:-}" ] || command -v chromium-headless-shell >/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "install Chromium or Chrome, and name it: APG_BROWSER=/path/to/it" >&2
  exit 1
fi
as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
$as_root apt-get update -q
$as_root apt-get install -q -y --no-install-recommends chromium-headless-shell
