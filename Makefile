# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs in .venv and says so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-all check bench experiments browser clean

help: ## Show what there is.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "creditline needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; run: make PYTHON=python3.12 ...")'
	@echo "==> Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing creditline and the demonstration's works (torch is large; minutes on a slow network)"
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing creditline with what its tests and checks need (torch is large; minutes on a slow network)"
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	@touch $@

demo: $(VENV)/.demo ## The main job on real works: adapters on a base model, prompts, audit, report.
	@$(BIN)/creditline demo

test: $(VENV)/.dev ## The tests that one runs often: minutes on two cores.
	@echo "==> Running the tests, without slow ones and those in a browser (make test-all runs every test)"
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile -m "not slow and not browser"

test-all: $(VENV)/.dev browser ## Every test, and the fuzz harnesses for a bounded time.
	@echo "==> Running every test"
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile

check: $(VENV)/.dev ## Formatting, lint, types, import direction.
	@echo "==> ruff: format"
	@$(BIN)/ruff format --check .
	@echo "==> ruff: lint"
	@$(BIN)/ruff check .
	@echo "==> mypy --strict"
	@$(BIN)/mypy
	@echo "==> import-linter"
	@PYTHONPATH=. $(BIN)/lint-imports

bench: $(VENV)/.dev ## Speeds beside rivals and scaling laws, compared with the last committed result (20 minutes).
	@$(BIN)/python -m benchmarks.speed

experiments: $(VENV)/.dev ## Every benchmark and experiment at full size; results go to benchmarks/results (hours).
	@echo "==> The demonstration's ensemble of pixels is what the benchmark of the evidence looks at"
	@$(BIN)/creditline demo --pixels
	@$(BIN)/python -m benchmarks

# The page tests look at reports in a real Chromium; without one they say why they are skipped.
browser: $(VENV)/.dev
	@if command -v chromium chromium-browser google-chrome >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "==> Installing Chromium for the page tests"; \
		(apt-get update -qq && apt-get install -y -qq chromium) >/dev/null 2>&1 || echo "    not possible: the page tests will be skipped"; \
	else \
		echo "==> No Chromium found: the page tests will be skipped"; \
	fi

clean: ## Remove the virtual environment, caches and the demonstration.
	rm -rf $(VENV) creditline-demo creditline-demo-pixels .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
