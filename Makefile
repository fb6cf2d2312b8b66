# The same commands everywhere: on a laptop and in CI.
BIN := .venv/bin

.PHONY: install demo overview test test-quick test-services check check-page vendor browser wheels test-lowest lock lock-image meshopt bench clean

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml scripts/install.sh scripts/install_torch.sh
	sh scripts/install.sh
	touch $@

demo: install
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/demo.py

# The README's picture, from what the demo left.
overview:
	$(BIN)/python scripts/overview.py

test: install
	$(BIN)/pytest -q

# The same in two halves, of which the second mostly waits for processes that start.
SERVICES := graph or http or browser
test-quick: install
	$(BIN)/pytest -q -m "not ($(SERVICES))"

test-services: install
	$(BIN)/pytest -q -m "$(SERVICES)"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The page's own code against its types; needs Node and npm.
check-page: packages/page/node_modules
	cd packages/page && npx --no-install tsc

# The page's bundle of three.js, byte for byte what is committed.
vendor: packages/page/node_modules
	sh packages/page/build.sh

packages/page/node_modules: packages/page/package-lock.json
	cd packages/page && npm ci --silent
	touch $@

# What the tests of the page need beside: a browser, and what drives it.
browser: install
	sh scripts/install_browser.sh

# That the lock needs no compiler, on any platform of ours; asks the package index, downloads no package.
wheels: install
	$(BIN)/python scripts/check_wheels.py

# The fast tests with the oldest packages that pyproject.toml allows.
test-lowest: install
	sh scripts/test_lowest.sh

# torch's CUDA packages are left out: on a GPU machine torch brings its own, on a CPU machine they are gigabytes.
lock: install
	$(BIN)/uv pip compile -q pyproject.toml --extra dev \
		--universal --python-version 3.11 --no-annotate --no-header -o requirements.lock.tmp
	grep -vE '^(nvidia|cuda|triton)[-a-z0-9]*=' requirements.lock.tmp > requirements.lock
	rm requirements.lock.tmp

# What the container images install beside torch, with hashes; asks the package index, downloads no package.
lock-image: install
	$(BIN)/python scripts/lock_image.py

# The WebAssembly of apg_core/meshopt anew, out of meshoptimizer's npm package; needs npm and node.
MESHOPTIMIZER := 1.3.0
meshopt:
	mkdir -p build/meshopt
	cd build/meshopt && npm pack --silent meshoptimizer@$(MESHOPTIMIZER) && tar -xzf meshoptimizer-$(MESHOPTIMIZER).tgz
	node scripts/meshopt_wasm.mjs build/meshopt/package apg_core/meshopt
	rm -r build/meshopt

bench: install
	$(BIN)/python -m benchmarks.run $(if $(BEFORE),--before $(BEFORE))

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info
