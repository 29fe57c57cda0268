# `make` alone says what there is. Whatever a target needs (.venv, Debian packages, the images of the test bed) it makes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

RUN := python3 tests/run.py
LAB := PYTHONPATH=tests python3 -m lab
BED ?= $(VMNET_BED_PREFIX)bed
HOSTS ?= host12=bookworm

##@ See it

demo: ## three networks on a throw-away host, with real guests and real packets
	@$(RUN) venv bed
	@PYTHONPATH=tests .venv/bin/python -m demo

##@ Test it

test: ## all but what it names; what continuous integration runs
	@$(RUN) all

lint: ## all linters; `python3 tests/run.py lint:mypy` runs one
	@$(RUN) lint

unit: ## the pure half, without root
	@$(RUN) unit

sanity: ## ansible-test sanity of the newest ansible-core, on every Python that is found
	@$(RUN) sanity

matrix: ## ansible-test sanity and units of every supported ansible-core, on every Python
	@$(RUN) matrix

docs: .venv/installed ## the pages of the collection, in .build/docs/build/html
	@docs/build

scenario: ## one promise on real hosts: make scenario S=nat
	@$(RUN) scenario:$(or $(S),$(error S=NAME is missing; there are: $(notdir $(patsubst %/,%,$(dir $(wildcard molecule/*/molecule.yml))))))

scenarios: ## all promises, side by side
	@$(RUN) scenarios

artefact: ## build the collection, install it elsewhere, run it with nothing but what users have
	@$(RUN) artefact

bench: ## speed against libvirt, Incus, Docker and the kernel itself, into docs/benchmarks.md: make bench B=filter
	@$(RUN) venv bed
	@PYTHONPATH=tests:.build/collections .venv/bin/python -m bench $(B)

##@ Work on it

format: .venv/installed ## put Python files into their one format, mend what ruff can mend
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

changelog: .venv/installed ## collect changelogs/fragments into the release that galaxy.yml names
	PATH="$(CURDIR)/.venv/bin:$$PATH" antsibull-changelog release --update-existing --reload-plugins

bed-up: .venv/installed packages ## hosts to play with: make bed-up HOSTS="a=bookworm b=trixie"
	$(LAB) up $(BED) $(addprefix --host ,$(HOSTS))

bed-down: ## take them down
	$(LAB) down $(BED)

clean: ## remove what make made, but not the images of the test bed
	rm -rf .build .venv

help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  %-10s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@

# Debian leaves out the part of venv that installs pip.
.venv/installed: requirements-dev.txt | .build/collections
	python3 -c 'import ensurepip' 2>/dev/null || tests/install python3-venv
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# Where Ansible, mypy and pytest find this checkout as the collection tapestry.vmnet.
.build/collections:
	mkdir -p $@/ansible_collections/tapestry
	ln -s ../../../.. $@/ansible_collections/tapestry/vmnet

packages:
	tests/install $$($(LAB) needs)

.PHONY: bench demo test lint unit sanity matrix docs scenario scenarios artefact format changelog bed-up bed-down clean help packages
