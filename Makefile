# Every target sets up what it needs in .venv. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
EXTRAS := sim,fuzz,boards,dev
# The demo needs less than the tests: what all of them need is taken where it stands already.
SIM_READY := $(or $(wildcard $(READY)),$(VENV)/ready-sim)
# Cores that tests may use; one worker per core.
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
# Passed on to pytest, for example: make test ARGS="-k loop"
ARGS ?=

# What `make coverage` measures stays there.
COVERAGE ?= $(CURDIR)/build/coverage
# Not empty: `make coverage` runs the nightly tests too.
NIGHTLY ?=

export AMARANTH_USE_YOSYS := builtin

.DEFAULT_GOAL := help
.PHONY: help demo test prove nightly faults coverage lint format registers bitstreams figures constraints tools clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(SIM_READY) ## walk a list of 64 nodes on the RTL and compare with the model
	$(BIN)/saoffload demo

test: lint ## lint, then all tests but the nightly ones
	$(BIN)/python -m pytest -n $(JOBS) -m "not nightly" $(ARGS)

prove: $(READY) ## all proofs, with both solvers
	$(BIN)/python -m pytest -n $(JOBS) tests/formal $(ARGS)

nightly: lint ## lint, then all tests
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

faults: $(READY) ## try every fault of the campaign on the RTL
	$(BIN)/python -m saoffload.sim.faults

# Adds to what is there: tests may run in portions. What was measured on RTL that has changed since does not count.
coverage: $(READY) ## lines of the RTL that the cocotb tests run, by file; with NIGHTLY=1 the nightly ones too
	SAOFFLOAD_COVERAGE=$(COVERAGE) $(BIN)/python -m pytest -n $(JOBS) -m "$(if $(NIGHTLY),,not nightly)" tests/cocotb $(ARGS)
	$(BIN)/saoffload coverage $(COVERAGE)

lint: $(READY) ## ruff and pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python --warnings

format: $(READY) ## let ruff put the source in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

registers: $(READY) ## write everything that comes from control/registers.rdl
	$(BIN)/python tools/generate_registers.py

bitstreams: $(READY) ## bitstreams of all boards into build/
	$(BIN)/saoffload build ulx3s-85f
	$(BIN)/saoffload build icebreaker

figures: $(READY) ## measure what the README states, and write it there
	$(BIN)/python tools/figures.py

constraints: ## write constraints.txt anew, with the newest versions that fit
	$(PYTHON) tools/pin.py $(EXTRAS)

# What no Python package brings. Each is named with its cure.
tools:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found: install Python 3.11 or newer, or name yours: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old: install Python 3.11 or newer, or name yours: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: this Python cannot make environments: install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@command -v "$${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { echo "error: no C++ compiler: install g++ or clang (Debian, Ubuntu: apt install g++), or name yours: make CXX=..." >&2; exit 1; }
	@command -v perl >/dev/null || { echo "error: perl not found, which Verilator needs: install it (Debian, Ubuntu: apt install perl)" >&2; exit 1; }

# The mark is written last, so that an installation that was cut off is done again.
$(READY): WANTED := $(EXTRAS)
$(VENV)/ready-sim: WANTED := sim
$(READY) $(VENV)/ready-sim: pyproject.toml constraints.txt | tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt hatchling
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e ".[$(WANTED)]"
	@touch $@

clean: ## remove the environment and everything built
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
