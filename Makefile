# One command per habit, the same here and in CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
EP ?= ep001
P ?=
PORT ?= 4200
# Outputs depend on none of these; they are fixed so that nobody has to wonder.
export PYTHONHASHSEED := 0
export SOURCE_DATE_EPOCH := 315532800
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help core dev episode verify doctor test check lab site preview export run readme fresh notebooks pytest coverage browser sync clean types lint links lock bench calibration

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

core:
	@$(PYTHON) tools/bootstrap.py core
dev:
	@$(PYTHON) tools/bootstrap.py dev

episode: core ## Re-execute an episode: make episode EP=ep001 P="fast=10 slow=50"
	@$(BIN)/alphatwin episode run $(EP) $(foreach p,$(P),-p '$(p)')

verify: core ## Re-execute an episode and compare it with its receipt
	@$(BIN)/alphatwin verify $(EP) $(foreach p,$(P),-p '$(p)')

doctor: core ## Say what is installed, what is optional, and what to do
	@$(BIN)/alphatwin doctor

lab: dev ## Open JupyterLab on the lessons
	@$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --ServerApp.root_dir=nbs --LabApp.default_url=/lab/tree/lessons/l01_what_is_a_return.ipynb

site: dev ## Build the pages into _site, with Quarto where it is installed
	@$(BIN)/python -m alphatwin_book.site

preview: dev ## Build the pages, serve them on this machine, rebuild on change: make preview PORT=4200
	@$(BIN)/python -m alphatwin_book.site --preview --port $(PORT)

export: dev ## After editing notebooks: format, clean, write alphatwin/ and README.md
	@$(BIN)/ruff format --quiet nbs alphatwin_book tools tests benchmarks setup.py
	@$(BIN)/nbdev_clean
	@$(BIN)/nbdev_export
	@$(BIN)/python -m alphatwin_book.readme

run: export ## Execute all notebooks and write their outputs, receipts and README.md: make run NB=nbs/...
	@$(BIN)/python -m alphatwin_book.execute $(NB)
	@$(BIN)/python -m alphatwin_book.readme

check: lint types sync clean pytest-fast ## The fast part: lint, types, sync, clean, quick tests

test: dev ## Everything: notebooks, tests, sync, clean, types, lint, links, site
	@$(BIN)/python tools/test.py

lint: dev ## Lint and format check of notebooks and code
	@$(BIN)/ruff check --quiet nbs alphatwin_book tools tests benchmarks setup.py
	@$(BIN)/ruff format --quiet --check nbs alphatwin_book tools tests benchmarks setup.py

types: dev ## mypy on alphatwin/ and alphatwin_book/
	@$(BIN)/mypy --no-error-summary

sync: dev ## Prove that exporting changes nothing
	@$(BIN)/python -m alphatwin_book.sync

clean: dev ## Prove that cleaning the notebooks changes nothing
	@$(BIN)/python -m alphatwin_book.sync --clean

notebooks: dev ## Run every notebook as a test (nbdev_test)
	@$(BIN)/nbdev_test --n_workers 2 --do_print

fresh: dev ## Re-execute every notebook and prove that the committed outputs are fresh
	@$(BIN)/python -m alphatwin_book.execute --check

pytest: dev ## The tests of the package
	@$(BIN)/python -m pytest -n 2 --dist loadfile -rs

coverage: dev ## The same, counting the lines that they reach: takes half as long again
	@$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term -rs

pytest-fast: dev
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser"

browser: dev ## The browser test alone; installs Chromium through apt where it may
	@$(PYTHON) tools/browser.py
	@$(BIN)/python -m pytest tests/site -m browser

links: site ## Check every link of the site
	@$(BIN)/python -m alphatwin_book.links

bench: dev ## Measure what benchmarks/ claims
	@for file in import_cost validate lake faults indicators backtest event peers tearsheet certify sweep resampling $(if $(EMPYRICAL_PYTHON),metrics); do $(BIN)/python benchmarks/$$file.py || exit 1; done

calibration: dev ## Count anew how often the verdicts on a search are wrong (some minutes)
	@$(BIN)/python tools/calibrate.py

lock: dev ## Write constraints.txt from what is installed
	@$(BIN)/python tools/lock.py
