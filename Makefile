# make demo: set up, index the example catalog, search it.     make test: checks and tests.
# make soak: the long tests, of hundreds of crashes and of many readers under a writer.
# All create .venv on first use; nothing is installed outside it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INDEX := demo.index
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test soak check format clean

demo: $(VENV)/.indexer
	$(BIN)/engine index examples/catalog.jsonl --index $(INDEX)
	@echo
	$(BIN)/engine search "sábana queen" --index $(INDEX) -k 3
	@echo
	$(BIN)/engine search "waterproof jacket for kids" --index $(INDEX) -k 3

test: check
	$(BIN)/python -m pytest

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.indexer: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; some minutes on a slow network)"
	$(PIP) -e ".[indexer]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; some minutes on a slow network)"
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.indexer

clean:
	rm -rf $(VENV) $(INDEX) *.egg-info .pytest_cache .mypy_cache .ruff_cache
