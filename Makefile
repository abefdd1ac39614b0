# Everything a person does with this checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run demo unit test test-all test-engines check clean-engine lock dist image clean clients examples fuzz lint-spec explanations bench release
PYTHON := .venv/bin/python
# Python keeps what it compiled, whatever the caller set: else each process of the tests rewrites the assertions of each
# test file again (5 s for the unit tests), and each service that a test starts compiles its own code.
export PYTHONDONTWRITEBYTECODE :=

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: ## Start the service, with an engine of its own where the machine has none; Ctrl-C stops it
	@scripts/run

demo: ## Find and fix five typical faults on a private engine, which is removed at the end; takes half a minute
	@scripts/bootstrap
	@$(PYTHON) -m tools.demo

# Tests wait a part of their time, so there are more processes than processors; those with an engine wait most, and
# each process has an engine of its own.
PROCESSES := $(shell expr 3 '*' $$(nproc))
UNIT_PROCESSES := $(shell expr 1 + $$(nproc))
IN_PARALLEL := --dist loadfile --no-loadscope-reorder --max-worker-restart 0
unit: dev ## Run the tests that need neither root nor an engine
	@$(PYTHON) -m pytest -n $(UNIT_PROCESSES) $(COVERAGE) $(if $(ARGS),$(ARGS),tests/unit)

test: dev test-packages ## Run the unit tests and, as root, the tests of the main paths on engines that they start themselves
ifdef ARGS
	@$(PYTHON) -m pytest -m "not slow and not wide" $(ARGS)
else
	@SPEC_COVERAGE=1 $(PYTHON) -m pytest -m "not slow and not wide" -n $(PROCESSES) $(IN_PARALLEL) $(COVERAGE) tests/engine tests/unit
	@printf '\nNot run, each by `make test-all PARTS=...`, or all by `make test-all`:\n' && scripts/test-all --list
endif

test-all: dev test-packages ## Run the tests that are slow for a reason; PARTS="random faults" names some of them
	@scripts/test-all $(PARTS)

# The packages that only compute, and the folders of their unit tests.
PURE := analysis diagnosis explanations firewall ipam model plans policy topology
unit-coverage: dev ## Fail when the unit tests reach less than 98 % of the branches of the packages that only compute
	@HYPOTHESIS_PROFILE=repeatable $(PYTHON) -m pytest -q -n logical $(PURE:%=tests/unit/%) tests/unit/use_cases tests/unit/http/test_walk.py \
	  $(PURE:%=--cov=bridgework.%) --cov-branch --cov-report=term:skip-covered --cov-report=json:build/pure-coverage.json
	@$(PYTHON) -m tools.branches build/pure-coverage.json 98

coverage: COVERAGE := --cov --cov-report=term:skip-covered --cov-fail-under=90
coverage: test ## Run `make test`, and fail when it reaches less than 90 % of the service's lines and branches

test-engines: dev test-packages ## Run the tests that depend on the engine's version on Debian's newer one, downloaded, not installed
	@$(PYTHON) -m tests.engines.run $(ARGS)

check: dev ## Lint, types, imports between packages, the console's JavaScript, workflows, and whether openapi.yaml says what the service does
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports
	@$(PYTHON) -m tools.openapi --check
	@$(PYTHON) -m tools.explanations --check
	@$(PYTHON) -m tools.command_line --check
	@scripts/lint-frontend
	@$(MAKE) --no-print-directory docs
	@scripts/audit
	@$(MAKE) --no-print-directory unit-coverage

docs: dev ## Build the documentation as a site into build/site, offline; fails on a warning or a dead link
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict
	@echo "Open build/site/index.html"

openapi: dev ## Write openapi.yaml again from the schemas
	@$(PYTHON) -m tools.openapi

examples: dev ## Record the document's examples again on a real engine, and write openapi.yaml
	@$(PYTHON) -m tools.openapi.record_examples
	@$(PYTHON) -m tools.openapi

picture: dev ## Take the console's pictures in docs/ again, of a live service in the states that the pages show
	@scripts/test-packages browser
	@$(PYTHON) -m tools.console_picture

explanations: dev ## Write the pages of docs/ that are made from the catalogues and from the command line
	@$(PYTHON) -m tools.explanations
	@$(PYTHON) -m tools.command_line

bench: dev ## Every measure beside its rival, in one run, into bench/RESULTS.md
	@$(PYTHON) -m bench.run

clean-engine: ## Remove the private engine of `make run`, and the base of `make image`: processes, namespace, mounts, data
	@scripts/clean-engine

clients: ## Generate, compile and run clients in nine languages on a real engine; read the C# one, compile those of other generators
	@scripts/clients $(ARGS)
	@cat build/clients/names.txt 2>/dev/null || true

lint-spec: ## Lint openapi.yaml by spectral and redocly, and compare it with the last released one
	@scripts/lint-spec
	@scripts/spec-diff

fuzz: dev ## Fuzz the service before a real engine of its own by its own document, for minutes
	@scripts/fuzz long

lowest: ## Install the lowest versions that pyproject.toml allows, and run the tests that need no engine
	@scripts/lowest $(ARGS)

sbom: ## Write a bill of materials (CycloneDX) of the locked packages to build/sbom.cdx.json
	@scripts/sbom

lock: ## Resolve the dependencies again and write both lock files
	@scripts/lock

release: dev ## Prepare a release, VERSION=0.2.0: versions, changelog, openapi.yaml; commits nothing
	@$(PYTHON) -m tools.release $(VERSION)

dist: ## Build the packages, install one in a clean environment, start the service from it
	@scripts/dist

image: ## Build the container image with this machine's engine; ARGS="--base local" needs neither engine nor registry
	@scripts/build-image $(ARGS)

clean: ## Remove what tools left in the checkout; the engine and the environment stay
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist tools/lint/node_modules
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: dev docs openapi lowest sbom coverage unit-coverage picture test-packages
dev:
	@scripts/bootstrap dev

test-packages: dev
	@$(PYTHON) -m tools.engine packages
	@scripts/test-packages
