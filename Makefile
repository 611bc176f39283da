# The commands of this repository; `make` alone lists them. Each sets up .venv first when it needs it.
.DEFAULT_GOAL := help
.PHONY: help setup lab test check format bench images pictures lock clean
# Some shells forbid Python to keep its compiled modules; without them the lab's cloud starts at half the speed.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV

BIN := .venv/bin

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv with everything pinned (needs python3 >= 3.11); nothing to do when it is up to date
	@sh tools/setup.sh

lab: setup  ## check this machine by running the pipeline once, then open JupyterLab at the first notebook
	@$(BIN)/labhelpers lab

test: check  ## check, then all tests, then every notebook cell by cell
	@$(BIN)/python -m pytest
	@if ls notebooks/*.ipynb >/dev/null 2>&1; then $(BIN)/python -m pytest -q --nbval --nbval-current-env notebooks; \
	else echo "left out: the notebooks, for there are none"; fi

check: setup  ## format, lint, types and layers, without changing a file
	@$(BIN)/ruff format --check --quiet --output-format concise . || { echo "make check: \`make format\` lays these files out" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --strict labhelpers
	@$(BIN)/python -m pytest -q tests/test_layers.py

format: setup  ## lay out the code, and mend what the linter can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

bench: setup  ## measure start-up, cold start, calls and memory, each beside its floor
	@$(BIN)/python -m tests.bench

images: setup  ## draw Images/*.png from their sources
	@$(BIN)/python Images/draw.py

pictures: setup  ## take docs/views/*.png: every view in JupyterLab, light and dark (needs Chromium)
	@$(BIN)/python tools/view_pictures.py

lock: setup  ## pin pyproject.toml's dependencies again; `make lock UPGRADE=1` takes the newest
	@$(BIN)/python tools/lock.py $(if $(UPGRADE),--upgrade)

clean:  ## remove what these commands made
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
