# The workbook's commands. `make` alone lists them.
# Another Python than python3:          make setup PYTHON=python3.13
# Arguments for the command behind one: make test ARGS="-k queue"
# Tests in one process, for a debugger:  make test N=0

PYTHON ?= python3
ARGS   ?=
# One more than two cores: for a quarter of the time a test waits, for a browser or a server.
N      ?= 3
VENV   := .venv
PY     := $(VENV)/bin/python
# The last file a set-up writes: without it, the environment counts as not made.
READY  := $(VENV)/.ready

# Everything stays on this machine: no news and no question about news (which tools/settings
# answers), no look for updates, no shop for extensions.
LAB := $(PY) -m jupyterlab --ServerApp.ip=127.0.0.1 \
  --ServerApp.root_dir=notebooks --LabApp.default_url=/lab/tree/00_start_here.ipynb \
  --LabApp.app_settings_dir=$(CURDIR)/tools/settings \
  --LabApp.extension_manager=readonly --LabApp.news_url=None \
  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

# Whole files to a worker: a notebook's cells need their order, and reference cases share their runs.
WORKERS := -n $(N) --dist loadfile --no-loadscope-reorder

NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=180 \
  --nbval-sanitize-with=tests/nbval_sanitize.cfg

.DEFAULT_GOAL := help
.PHONY: help setup lab test check notebooks live bench docs faults reference lint lock clean

help: ## list these commands
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make the environment in .venv from requirements.lock

lab: $(READY) ## open the workbook in JupyterLab
	@# Jupyter refuses to run as root unless told to, as in a container.
	@$(LAB) $$(test "$$(id -u)" != 0 || echo --allow-root) $(ARGS)

test: $(READY) ## run every test: unit, property, browser, and notebooks against their saved output
	$(PY) -m pytest $(NBVAL) $(WORKERS) $(ARGS) tests notebooks

check: lint ## style, types and the quick tests: the loop while editing
	$(PY) -m pytest $(WORKERS) --quiet -m "not slow" $(ARGS) tests

notebooks: $(READY) ## execute the notebooks again, in place (ARGS=--refresh: measured times, too)
	$(PY) -m tools.notebooks $(ARGS)

live: $(READY) ## predict what real queues and servers do here, and measure it: ten minutes at most
	$(PY) -m simlib measure $(ARGS)

bench: $(READY) ## measure speed beside other simulators
	$(PY) -m bench $(ARGS)

faults: $(READY) ## kill, cut lines and power, flip bits and fail the disk at full size, for an hour or so
	FAULTS=full $(PY) -m pytest -n $(N) --dist load $(ARGS) --timeout=7200 tests/faults tests/live \
	  tests/analysis/test_coverage_of_intervals.py

docs: $(READY) ## make the reference in build/docs from docstrings and documents
	$(PY) -m tools.reference $(ARGS)

reference: $(READY) ## compare with the published reference cases only
	$(PY) -m pytest $(ARGS) tests/reference

lint: $(READY) ## check style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

lock: ## choose the versions again (needs uv; ARGS=--upgrade takes the newest)
	uv pip compile pyproject.toml --group dev --group checks --group bench --extra present --extra cluster --extra live \
	  --python-version 3.11 --universal --generate-hashes --no-header --quiet \
	  $(ARGS) --output-file requirements.lock

clean: ## remove the environment and what tools leave behind
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

# Brought up to date when what is to be installed has changed.
# uv where it is found, for speed; else pip, which comes with Python.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: the workbook needs Python 3.11 or newer, and" \
	    "'$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1)"; \
	  echo "       name another one: make setup PYTHON=/path/to/python3.13"; \
	  exit 1; } >&2
	@rm -f $(READY)
	@set -e; if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV); \
	  uv pip sync --quiet --python $(PY) --compile-bytecode --require-hashes requirements.lock; \
	  uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .; \
	else \
	  $(PYTHON) -m venv --clear $(VENV); \
	  $(PY) -m pip install --quiet --require-hashes --requirement requirements.lock; \
	  $(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@touch $(READY)
	@echo "The environment is ready: $(PY)"
