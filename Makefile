# Two commands first: `make demo` shows the whole path; `make test` proves it. Nothing but Python 3.11+ and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A wheel cache or index set up for this machine is pip's own business (pip config); nothing is named here.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := src tests deploy examples benchmarks

.PHONY: help servers setup setup-dev demo stack up test faults soak bench lint types imports lock clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}; set PYTHON=python3.12, say")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "The venv module is missing; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing into $(VENV) from requirements.lock …"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing what the tests need from requirements-dev.lock …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.installed ## Make .venv with the command .venv/bin/ledger
	@echo "ready: $(BIN)/ledger"

setup-dev: $(VENV)/.installed-dev ## Also install what the tests and the linters need

demo: setup ## Simulate a quarter, import a bundle, and show what each reader asks for
	@$(BIN)/python examples/demo.py

BROKERS ?= 1
stack: setup-dev ## PostgreSQL, Kafka (BROKERS=1 to 3), relay, sealer and projector without Docker, until Ctrl-C
	@$(BIN)/python deploy/stack/stack.py --brokers $(BROKERS)

up: ## The same with Docker, in the background, ready when the command returns
	@$(PYTHON) deploy/passwords.py deploy/secrets
	@docker compose -f deploy/compose.yaml up --build --detach --wait

lint: setup-dev ## ruff, and the import rules of the rooms
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/lint-imports --no-logo

types: setup-dev ## mypy --strict
	@$(BIN)/mypy

servers: ## See that the tests can start a real broker and an outsider's program (on Debian it installs what is missing)
	@for tool in java:openjdk-17-jre-headless mvn:maven go:golang-go openssl:openssl kcat:kcat; do \
	  command -v $${tool%%:*} >/dev/null && continue; \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $${tool#*:} >/dev/null || exit 1; \
	  else echo "The tests start a real broker and programs of others, and need $${tool%%:*}; on Debian or Ubuntu: apt-get install $${tool#*:}" >&2; exit 1; fi; \
	done

test: setup-dev servers lint types ## Everything: lint, types, unit, property and system tests
	@$(BIN)/pytest -n auto --dist worksteal --durations=20

MINUTES ?= 15
faults: setup-dev servers ## The faults in full: fifty kills of relays and projectors, ten of each server: about twenty minutes
	@LEDGER_TEST_FAULTS=full $(BIN)/pytest -n0 -s tests/system

soak: setup-dev servers ## Load with a fault every 20 seconds (MINUTES=15); writes docs/soak.md
	@$(BIN)/python -m tests.system.soak --minutes $(MINUTES) --out docs/soak.md

QUICK ?=
PROFILE ?=
ROWS ?=
bench: setup-dev servers ## Measure every row beside its baseline (QUICK=1, ROWS="relay verify", PROFILE=1)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(PROFILE),--profile) $(ROWS)

lock: setup-dev ## Write the lock files anew from pyproject.toml
	@$(PIP) install 'uv>=0.13'
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -o requirements-dev.lock

clean: ## Remove what make made (never a database)
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
