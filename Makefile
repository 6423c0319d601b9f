# Every target makes what it needs: `make demo` works in a fresh clone with python3 (3.11 or newer), venv and git.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
SHELL  := /bin/bash
.DEFAULT_GOAL := help

# Found first to last: the interpreters whose test runs `make test-pythons` adds.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14

.PHONY: help demo test test-unit test-pythons check format docs lock bench bench-dashboards bench-rules pictures clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## A simulated Airbyte, the exporter against it, metrics on http://localhost:10980
	@$(BIN)/airbyte-exporter demo $(ARGS)

test: $(VENV)/.dev ## All tests: unit, contract, end to end (what the machine lacks is skipped with a reason)
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

test-unit: $(VENV)/.dev ## The tests that need nothing but Python, in seconds
	$(BIN)/pytest -q -n 2 tests/unit $(ARGS)

test-pythons: ## The unit tests on every other Python that the machine has
	@own=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	if command -v pyenv >/dev/null; then export PYENV_VERSION=$$(pyenv versions --bare | paste -sd:); fi; \
	for python in $(PYTHONS); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  [ "$$version" != "$$own" ] || continue; \
	  echo "== Python $$version"; \
	  $(MAKE) --no-print-directory PYTHON=$$python VENV=.cache/venv-$$version test-unit || exit 1; \
	done

check: $(VENV)/.dev ## Format, lint (shell, YAML, workflows too), strict types, import contracts, what is generated in step
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/build.py --check
	$(BIN)/python deploy/grafana/build.py --check
	$(BIN)/python deploy/prometheus/generate.py --check
	$(BIN)/python deploy/helm/build.py --check
	.ci/lint $(BIN)

format: $(VENV)/.dev ## Format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Write the generated documents, dashboards and files of the rules anew
	$(BIN)/python docs/build.py
	$(BIN)/python deploy/grafana/build.py
	$(BIN)/python deploy/prometheus/generate.py
	$(BIN)/python deploy/helm/build.py

bench: $(VENV)/.dev ## Measure: scrapes against prometheus_client, polls, memory, start (ARGS="--only scrapes --connections 1000")
	$(BIN)/python -m benchmarks $(ARGS)

bench-dashboards: $(VENV)/.dev ## Time every query of the dashboards with 10,000 connections (ARGS="--document" writes the table)
	$(BIN)/python -m benchmarks.dashboards $(ARGS)

bench-rules: $(VENV)/.dev ## Time every rule of deploy/prometheus with 10,000 connections (ARGS="--document" writes the table)
	$(BIN)/python -m benchmarks.rules $(ARGS)

pictures: $(VENV)/.dev ## Draw the pictures of the dashboards anew, from real answers
	$(BIN)/python -m docs.pictures

lock: $(VENV)/.dev ## Resolve the dependencies anew into requirements/
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  pyproject.toml --group build -o requirements/runtime.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  pyproject.toml --group dev -o requirements/dev.txt

clean: ## Remove everything that the targets above made
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist benchmarks/results

# Two marks, so that the demo does not wait for the tools of development.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-virtualenv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "making .venv failed: is python3-venv installed?" >&2; exit 2; }

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (once) ..."
	@$(PIP) --require-hashes -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing the tools of development into $(VENV) (once) ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@
