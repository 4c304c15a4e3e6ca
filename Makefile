# `make demo` and `make test` set up everything they need in .venv, from nothing but Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
OUT ?= results/demo
WORKERS ?=
READY = $(VENV)/.ready
DOCS_READY = $(VENV)/.docs-ready

.PHONY: demo test lint bench docs clean

demo: $(READY)
	$(BIN)/thermograd reproduce ideal-gas --scale quick --out $(OUT) $(if $(WORKERS),--workers $(WORKERS))

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/preset_steps.py
	$(BIN)/python benchmarks/isotropic.py
	$(BIN)/python benchmarks/toy.py
	$(BIN)/python benchmarks/entropy_many.py
	$(BIN)/python benchmarks/nearest.py

docs: $(DOCS_READY)
	$(BIN)/mkdocs build --strict

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("Python %d.%d found; thermograd needs 3.11 or newer (make PYTHON=python3.11 ...)" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(DOCS_READY): $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build site .pytest_cache .mypy_cache .ruff_cache
