# `make help` lists what there is. Everything lives in this folder: .venv, node_modules, static/vendor, data.

PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CATALOGUES := $(patsubst %.po,%.mo,$(wildcard translations/*/LC_MESSAGES/scv.po))

.PHONY: help setup serve test lint format messages bench clean tests-ready

help:  ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: .venv/.installed static/vendor/.installed $(CATALOGUES)  ## install what SCV needs, without starting it

serve: setup  ## start SCV and print its address and a sign-in link
	@exec $(BIN)/scv serve

test: tests-ready lint  ## run everything: lint, types, import law, and all tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: .venv/.installed-dev  ## ruff, mypy and the import law
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/.installed-dev  ## put the code into its standard form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

messages: .venv/.installed  ## bring translations/ up to date with the texts in the code; new ones come empty
	@mkdir -p build
	@$(BIN)/pybabel --quiet extract --no-location --sort-output -F babel.cfg -k say -k mark -o build/scv.pot .
	@for file in translations/*/LC_MESSAGES/scv.po; do \
	  $(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-obsolete --no-wrap -i build/scv.pot -o $$file \
	    -l $$(basename $$(dirname $$(dirname $$file))); done

bench: tests-ready  ## run the benchmarks; each prints `name value unit` lines
	@for script in bench/*.py; do echo "# $$script"; $(BIN)/python "$$script"; done

clean:  ## remove everything that was built, but not your data
	rm -rf .venv node_modules static/vendor build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find translations -name '*.mo' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What follows makes the files above. pip takes a CPU build of torch where the machine offers one.

.venv/.installed: pyproject.toml constraints.txt
	@bash tools/setup.sh python "$(PYTHON)"
	@touch $@

.venv/.installed-dev: .venv/.installed
	@bash tools/setup.sh python-dev
	@touch $@

static/vendor/.installed: package-lock.json scv/web/assets.py | .venv/.installed
	@bash tools/setup.sh assets
	@touch $@

node_modules/.installed-dev: package-lock.json | static/vendor/.installed
	@bash tools/setup.sh assets-dev
	@touch $@

%.mo: %.po | .venv/.installed
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@

tests-ready: setup .venv/.installed-dev node_modules/.installed-dev
	@bash tools/setup.sh chromium
	@bash tools/setup.sh postgres
