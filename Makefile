# Every way to work on Streamledger. Needs Python 3.11 or newer and make; everything else comes into .venv.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
LOCK    := .ci/requirements.lock
STAMP   := $(VENV)/.installed
SEED    ?= 1
MINUTES ?= 1
CHAOS   ?= --json
SECONDS ?= 60
WORKERS ?= 2
CORE    := tests/unit/core
DEMO    ?=

# Tests, demo and chaos start hundreds of Python processes: each would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test check format lint types cover bench chaos schemas fuzz sbom audit clean lock

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Set up .venv with the locked versions (idempotent)

$(STAMP): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Streamledger needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	@echo "[1/3] $(VENV): a virtual environment of $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/3] $(LOCK): $$(grep -c == $(LOCK)) packages, a minute or two the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement $(LOCK)
	@echo "[3/3] streamledger, editable"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Real Kafka, streams of all six types, a worker killed in mid-stream, an audit; under a minute: make demo DEMO="--db demo.duckdb"
	@$(BIN)/streamledger demo $(DEMO)

test: install cover ## Run all tests, on a real Kafka where they need one, in WORKERS processes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long" $(addprefix --ignore=,$(CORE))

check: lint types test ## All that CI runs

format: install ## Let ruff format and mend what it can
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lint: install ## Style, format and import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo

types: install ## mypy --strict over source and tests
	@$(BIN)/mypy

cover: install ## The tests of the core, with its branch coverage held at 100 %
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(CORE) \
	    --cov=pipeline.core --cov-branch --cov-report=term --cov-fail-under=100

bench: install ## The fold beside the OpenAI SDK, then the worker beside its peers: make bench BENCH="--quick --only 10k"
	@$(BIN)/python -m tests.bench.fold
	@$(BIN)/streamledger bench $(BENCH)

chaos: install ## Kill workers, brokers and connections in mid-stream, then the long tests: make chaos SEED=7 MINUTES=10
	@$(BIN)/python -m tests.chaos.run --seed $(SEED) --minutes $(MINUTES) $(CHAOS)
	@$(BIN)/python -m pytest -m long

schemas: install ## Generate JSON Schema and AsyncAPI from the models
	@$(BIN)/python -m schemas.generate

fuzz: install ## Throw bytes at everything that reads those of others, SECONDS for each target: make fuzz SECONDS=60
	@FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q -n $(WORKERS) --timeout 0 tests/fuzz

sbom: install ## Print the packages that users get as a CycloneDX bill of materials (asks no network): make sbom > sbom.json
	@wanted=$$(mktemp) && trap 'rm -f "$$wanted"' EXIT && $(BIN)/python -m tests.runtime > "$$wanted" && \
	$(BIN)/python -m cyclonedx_py requirements "$$wanted" --pyproject pyproject.toml --output-reproducible

audit: install ## Look the locked packages up among known vulnerabilities (asks a database over the network)
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && $(PYTHON) -m venv "$$fresh" && \
	"$$fresh/bin/python" -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3' && \
	"$$fresh/bin/python" -m pip_audit --requirement $(LOCK) --no-deps --disable-pip

lock: ## Resolve the versions anew from pyproject.toml into the lock
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(PYTHON) -m venv "$$fresh" && \
	"$$fresh/bin/python" -m pip install --quiet --disable-pip-version-check '.[test]' && \
	{ echo "# Every package of .[test] at the version CI and the image use. Made by \`make lock\`; don't edit."; \
	  "$$fresh/bin/python" -m pip freeze --exclude streamledger; } > $(LOCK).new && mv $(LOCK).new $(LOCK)

clean: ## Remove .venv and everything tools have made
	@rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find pipeline schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +
