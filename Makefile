# One command per habit, the same here and in CI. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
EP ?= ep001
P ?=
JOBS ?= 2
# Outputs depend on none of these; they are fixed so that nobody has to wonder.
export PYTHONHASHSEED := 0
export SOURCE_DATE_EPOCH := 315532800
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help episode verify test check lab site preview export run clean-notebooks fresh notebooks-test pytest browser types lint links readme lock bench core dev

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

core:
	@$(PYTHON) tools/bootstrap.py core
dev:
	@$(PYTHON) tools/bootstrap.py dev

episode: core ## Re-execute an episode: make episode EP=ep001 P="fast=10 slow=50"
	@$(BIN)/alphatwin episode run $(EP) $(foreach p,$(P),-p '$(p)')

verify: core ## Re-execute an episode and compare it with its receipt: make verify EP=ep001
	@$(BIN)/alphatwin verify $(EP) $(foreach p,$(P),-p '$(p)')

lab: dev ## Open JupyterLab on the lessons
	@$(BIN)/jupyter lab --notebook-dir nbs --LabApp.default_url=/lab/tree/lessons
