# Needs Python 3.11 or newer and make; everything else goes into .venv, which is made on first use.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
SECONDS ?= 1800

.DEFAULT_GOAL := help
.PHONY: help venv demo test chaos lint fix bench wheel clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

venv: $(STAMP) ## make .venv with everything pinned in requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tagtrail needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.x")'
	@echo "making $(VENV), this takes a minute"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@# pysimdjson has wheels up to Python 3.13, and ingest does without it.
	@$(PY) -c 'import sys; sys.stdout.writelines(line for line in open("requirements.lock") if sys.version_info < (3, 14) or not line.startswith("pysimdjson="))' > $(VENV)/requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

demo: $(STAMP) ## a simulated store through the whole stack; ARGS="--once" runs one hour and prints, ARGS="--help" tells more
	@$(PY) -P -m tagtrail.stack demo $(ARGS)

test: lint ## lint, then all tests; ARGS goes to pytest
	@$(PY) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)

chaos: $(STAMP) ## kill everything at random for SECONDS (1800), and every fault by itself
	@TAGTRAIL_CHAOS_SECONDS=$(SECONDS) $(PY) -m pytest tests/chaos $(ARGS)

lint: $(STAMP) ## formatting, rules, types, layers
	@$(PY) -m ruff format --check --quiet . || { echo "run 'make fix'"; exit 1; }
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()' > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }

fix: $(STAMP) ## format and mend what can be mended by itself
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: $(STAMP) ## measure; ONLY=ingest for one benchmark
	@$(PY) benchmarks/run.py

wheel: $(STAMP) ## build the wheel into dist/
	@$(PY) -m build --no-isolation --wheel --outdir dist .

clean: ## remove .venv and what was built
	rm -rf $(VENV) dist build test-artefacts .mypy_cache .ruff_cache .pytest_cache
