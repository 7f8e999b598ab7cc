# All set-up is one command: each target makes the environment it needs. Only Python >= 3.11, git and make
# are expected to be there. Say `make test VENV=/some/folder` to use an environment elsewhere.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# what `make figures` draws (nothing: the main figures), how large, and where to
FIGURES ?=
SIZE ?= quick
OUT ?= out/figures
# worker processes of `make test`
JOBS ?= 2

.PHONY: figures explore test browser validate bench docs clean

figures: $(VENV)/.core
	$(BIN)/freeridge figures $(FIGURES) --size $(SIZE) --out $(OUT)

# the local page; settings of your own: make explore FILES="mine.py"
explore: $(VENV)/.docs
	$(BIN)/freeridge explore $(FILES)

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n $(JOBS)

# the explorer and the site in a headless Chromium, which is expected on the PATH (or CHROMIUM=/where/it/is)
browser: $(VENV)/.test
	$(BIN)/pytest tests/explorer tests/docs -m browser -n $(JOBS) --dist loadfile

# minutes, not seconds: the slow tests, then theory against simulation over all regimes
validate: $(VENV)/.test
	$(BIN)/pytest -m slow
	$(BIN)/freeridge validate --suite all

bench: $(VENV)/.test
	$(BIN)/pytest tests/benchmarks -m "" --benchmark-enable --benchmark-only

# strict: a warning is an error, and so is a cell of a tutorial that fails
docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -n docs docs/_build/html
	@echo "The site is docs/_build/html/index.html; it needs no network."

# figures and data in out/ may have cost hours: they stay
clean:
	rm -rf .venv build dist docs/_build src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	find src theory solvers figures docs tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are older than pyproject.toml whenever the dependencies may have changed.
$(VENV)/.core: pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[data,train]'
	touch $@

$(VENV)/.test: pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[test]'
	touch $@ $(VENV)/.core $(VENV)/.docs

$(VENV)/.docs: pyproject.toml setup.py | $(BIN)/python
	$(BIN)/python -m pip install --editable '.[distributed,docs,data,train,explore]'
	touch $@ $(VENV)/.core

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "freeridge needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
