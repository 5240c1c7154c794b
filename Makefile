# People and CI run the same tasks. PYTHON chooses the interpreter, 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run on two cores: one thread each for matrix products. Each takes half of the list, so that what the tests of a
# file share is made once, and at the end of the other's. Bytecode is kept, whatever the environment says: without it each
# command that a test starts takes a second more.
PYTEST := OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses=2 --dist=worksteal
# Errors only: warnings are of the machine's own pip settings.
PIP := $(BIN)/pip install --quiet --quiet --disable-pip-version-check

# Forms of files by the schemas that it comes with.
SCHEMA := $(BIN)/check-jsonschema --quiet --builtin-schema

# What `test-train` and `docs-test` install; another one for wheels from elsewhere: make test-train TORCH='torch==2.13.0+cpu'
TORCH := --index-url https://download.pytorch.org/whl/cpu torch

.PHONY: help setup demo test test-long test-train prove prove-all mutants lint style types docs docs-test dist bench bitstreams clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*##/ -/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("bitweir needs Python 3.11 or newer, not %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing bitweir and what it needs from PyPI ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing bitweir, its tests and what they need from PyPI ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

setup: $(VENV)/installed-dev  ## a virtual environment with everything for development

demo: $(VENV)/installed  ## a trained network becomes a verified accelerator, with a report
	@$(BIN)/bitweir demo

# Types take one core for a minute, while the first tests compile the tools of YoWASP on all.
test: style  ## style, types and all tests
	@$(BIN)/mypy & types=$$!; $(PYTEST); tests=$$?; \
	wait $$types || { echo "mypy has found mistakes: see above."; exit 1; }; exit $$tests

test-long: $(VENV)/installed-dev  ## what takes too long for every day: large networks in RTL, many drawn ones, routing
	@$(PIP) --editable '.[pnr]'
	@$(PYTEST) -m "long or drawn" --hypothesis-profile=full

# PyPI's wheel for Linux brings gigabytes for GPUs, so that this is no part of `test`, which skips these tests.
test-train: $(VENV)/installed-dev  ## training: tests that need PyTorch, which it installs for CPUs
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) $(TORCH)
	@$(PIP) --editable '.[train]'
	@$(PYTEST) tests/host/train

prove: $(VENV)/installed-dev  ## what is proved of the gateware, and planted faults that are not
	@PYTHONPATH=tests OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.prove

prove-all: $(VENV)/installed-dev  ## the same with many more parameters, in an hour or so
	@PYTHONPATH=tests OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.prove --all

mutants: $(VENV)/installed-dev  ## small faults in gateware, models and link that no test notices
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.mutants

lint: style types  ## style, types, the direction of imports, and forms of files for GitHub

style: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache | tail -4
	@$(SCHEMA) vendor.github-workflows .github/workflows/ci.yml
	@$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.citation-file-format CITATION.cff

types: $(VENV)/installed-dev
	@$(BIN)/mypy

# All is read again: references come from the code.
docs: $(VENV)/installed-dev  ## the site, in docs/_build/html; warnings are errors
	@$(BIN)/sphinx-build -q -E -W --keep-going -b html docs docs/_build/html
	@echo "The site is in docs/_build/html: open index.html in a browser."

# Larq wants an environment of its own: its page begins with a file.
docs-test: $(VENV)/installed-dev  ## all code of the tutorials, also what takes minutes, or needs PyTorch or Brevitas
	@$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) $(TORCH)
	@$(PIP) --editable '.[tutorials]'
	@$(BIN)/pytest tests/docs -m "long or not long"

dist: $(VENV)/installed-dev  ## wheel, source and list of dependencies in dist/, tried in an environment of their own
	@$(PIP) --editable '.[dist]'
	@$(BIN)/python -m tools.distribute

bench: $(VENV)/installed-dev  ## every claim about speed and size, measured again
	@$(PIP) --editable '.[pnr]'
	@for file in benchmarks/*.py; do echo; echo "== $$file"; $(BIN)/python $$file || exit 1; done

bitstreams: $(VENV)/installed  ## bitstreams/ built again; says whether the bytes are the same
	@$(PIP) --editable '.[pnr]'
	@$(BIN)/python bitstreams/rebuild.py

clean:           ## remove what can be made again
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build docs/generated
