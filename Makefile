# `make up` and `make test` are the two commands that a fresh machine needs: each makes what it lacks, and reuses it the next time.
# They need Python 3.11 or newer with venv and pip, and make.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SAMPLES ?= manifests/samples
LISTEN ?= 127.0.0.1:8080

.PHONY: up test soak check format generate lock bench mutation images cluster cluster-down clean
.DELETE_ON_ERROR:

up: $(VENV)/.gateway
	@exec $(BIN)/sluice up -f $(SAMPLES) --listen $(LISTEN)

# The checks, then the whole suite with its coverage.
test: check
	@$(BIN)/python -m tests.house.suite

# The same, then the unit layer on another Python when there is one, then a hundred users for three minutes.
SLUICE_SOAK_SECONDS ?= 180
soak: check
	@$(BIN)/python -m tests.house.suite --soak
	@$(BIN)/python -m bench soak --seconds $(SLUICE_SOAK_SECONDS)

check: $(VENV)/.dev
	@$(BIN)/python -m tests.house.check

format: $(VENV)/.dev
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

generate: $(VENV)/.dev
	@$(BIN)/python -m sluice_config.crd crds
	@$(BIN)/python -m sluice_config.unhonoured --write docs/known-weaknesses.md
	@$(BIN)/python -m sluice_gateway.reference --write docs/providers.md

bench: $(VENV)/.dev
	@$(BIN)/python -m bench

# docs/mutation.md: whether a test notices each change of what decides (minutes).
mutation: $(VENV)/.dev
	@$(BIN)/python -m mutation

# dist/images: both images as archives, each with its SBOM.
images: $(VENV)/.dev
	@$(BIN)/python -m tests.images

# A real Kubernetes on this machine with all of Sluice in it: .cluster/kubeconfig, .cluster/gateway-url, .cluster/gateway-key.
cluster: $(VENV)/.dev
	@$(BIN)/python -m tests.playground up .cluster

cluster-down: $(VENV)/.dev
	@$(BIN)/python -m tests.playground down .cluster

clean:
	@rm -rf .venv .venv-* .cache .hypothesis .import_linter_cache dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Rewrites the locks: hashes of every wheel, no index addresses.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@$(LOCK) --extra build --extra gateway pyproject.toml -o requirements/gateway.txt
	@$(LOCK) --extra build --extra gateway --extra sdk -c requirements/gateway.txt pyproject.toml -o requirements/gateway-sdk.txt
	@$(LOCK) --extra build --extra operator -c requirements/gateway.txt pyproject.toml -o requirements/operator.txt
	@$(LOCK) --extra build --extra dev --extra bench -c requirements/gateway.txt pyproject.toml -o requirements/dev.txt

# $(call install,VENV,LOCK): what the lock says and nothing else, then the checkout itself.
install = $(1)/bin/python -m pip install -q --disable-pip-version-check --no-input --require-hashes -r $(2) \
	&& $(1)/bin/python -m pip install -q --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sluice needs Python 3.11 or newer with venv and pip (on Debian: apt install python3-venv)." >&2; \
		echo "Install one, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.gateway: requirements/gateway.txt pyproject.toml | $(BIN)/python
	@echo "installing Sluice into $(VENV)" && $(call install,$(VENV),requirements/gateway.txt) && touch $@

$(VENV)/.dev: requirements/dev.txt requirements/gateway.txt pyproject.toml | $(BIN)/python
	@echo "installing Sluice and its development tools into $(VENV)" && $(call install,$(VENV),requirements/dev.txt) && touch $@ $(VENV)/.gateway

# The same lock on another Python; made only by tests.house.suite, which finds the interpreter: make .venv-3.13/.dev PYTHON_3_13=...
.venv-3.13/.dev: requirements/dev.txt pyproject.toml
	@test -x .venv-3.13/bin/python || $(PYTHON_3_13) -m venv .venv-3.13 || { rm -rf .venv-3.13; exit 1; }
	@echo "installing Sluice and its development tools into .venv-3.13" && $(call install,.venv-3.13,requirements/dev.txt) && touch $@
