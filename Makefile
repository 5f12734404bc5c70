# `make up` and `make test` are the two commands a fresh machine needs: each makes what it lacks, and reuses it the next time.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
SAMPLES ?= manifests/samples
LISTEN ?= 127.0.0.1:8080

.PHONY: up test unit unit-3.13 check format generate lock bench clean

up: $(VENV)/.gateway
	@$(BIN)/sluice up -f $(SAMPLES) --listen $(LISTEN)

test: check
	@tests/run

check: $(VENV)/.dev
	@tests/check

format: $(VENV)/.dev
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

generate: $(VENV)/.dev
	@$(BIN)/python -m sluice_config.crd crds

bench: $(VENV)/.dev
	@$(BIN)/python -m bench

clean:
	@rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

# Rewrites the locks: hashes of every wheel, no index addresses.
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header
lock:
	@$(LOCK) --extra build --extra gateway pyproject.toml -o requirements/gateway.txt
	@$(LOCK) --extra build --extra dev --extra bench -c requirements/gateway.txt pyproject.toml -o requirements/dev.txt

PIP := $(BIN)/python -m pip install -q --disable-pip-version-check --no-input
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Sluice needs Python 3.11 or newer: install one, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.gateway: requirements/gateway.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing Sluice into $(VENV)" && $(PIP) --require-hashes -r requirements/gateway.txt && $(PIP) --no-deps --no-build-isolation -e . && touch $@

$(VENV)/.dev: requirements/dev.txt requirements/gateway.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing Sluice and its development tools into $(VENV)" && $(PIP) --require-hashes -r requirements/dev.txt && $(PIP) --no-deps --no-build-isolation -e . && touch $@ $(VENV)/.gateway
