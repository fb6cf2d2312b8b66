#!/bin/sh
# Builds the page's bundle of three.js from the pinned packages, byte for byte the same each time.
set -eu
cd "$(dirname "$0")"
vendor=../../deployments/http/page/vendor
version="$(sed -n 's/^  "version": "\(.*\)",$/\1/p' node_modules/three/package.json)"

npx --no-install esbuild three.js --bundle --minify --format=esm --target=es2022 --legal-comments=none \
  --banner:js="/* three.js $version, (c) 2010-2026 three.js authors, MIT: see three.LICENSE */" \
  --log-level=warning --outfile="$vendor/three.js"
cp three.js "$vendor/three.d.ts"
cp node_modules/three/LICENSE "$vendor/three.LICENSE"
