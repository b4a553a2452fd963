# One command for each thing, the same for people, hooks and CI.
# Needs GNU make, git and Python >= 3.11; uses uv when it is there, pip otherwise.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.ready
UV    ?= $(shell command -v uv 2>/dev/null)
ARGS  ?=
JOBS  ?= 2
SEEDS ?=
MINUTES ?= 30

QUICK := not slow and not live and not containers
SLOW  := slow and not live and not containers
FREE  := not live and not containers

QUESTION := How do asyncio, concurrent.futures and multiprocessing cancel and shut down work?

# Prints the interpreter to use, or says why there is none.
define find_python
found=; \
for py in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
    if "$$py" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then found=$$py; break; fi; \
done; \
if [ -z "$$found" ]; then \
    echo "make setup: no Python >= 3.11 here (looked for: $(or $(PYTHON),python3.13 python3.12 python3.11 python3))." >&2; \
    echo "  Install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
    exit 1; \
fi
endef

.PHONY: help setup demo test test-slow test-all check fmt cover chaos bench soak codes matrix requirements clean

help: ## this list
	@echo "make …"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile
	@echo 'More: make test ARGS="-k gate -n 0", make setup PYTHON=python3.12, make requirements UPGRADE=1'

setup: $(STAMP) ## a virtual environment in .venv with pinned, hashed dependencies
	@:

$(STAMP): requirements/dev.txt pyproject.toml
	@$(find_python); \
	rm -f $(STAMP); \
	echo "setup: $$("$$found" --version) and $(if $(UV),uv,pip); the first time takes a minute"; \
	if [ -n "$(UV)" ]; then \
	    "$(UV)" venv --quiet --clear --no-project --python "$$("$$found" -c 'import sys; print(sys.executable)')" $(VENV) && \
	    "$(UV)" pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt && \
	    "$(UV)" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	    if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	        version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	        echo "make setup: $$found comes without venv and pip, as on Debian and Ubuntu." >&2; \
	        echo "  Install them: apt install python$$version-venv" >&2; \
	        echo "  or install uv, or name another Python: make setup PYTHON=/path/to/python3" >&2; \
	        exit 1; \
	    fi; \
	    "$$found" -m venv --clear $(VENV) && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .; \
	fi
	@touch $(STAMP)

demo: setup ## a team answers a question from the standard library's source: no key, no server
	@stdlib=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))'); \
	$(BIN)/team run research "$(QUESTION)" \
	    --source "$$stdlib/asyncio" \
	    --source "$$stdlib/concurrent/futures" \
	    --source "$$stdlib/multiprocessing"

test: setup ## the quick tests: rules, folds, words, and the bus on a real server
	@$(BIN)/python -m pytest -m "$(QUICK)" -n $(JOBS) $(ARGS)

test-slow: setup ## the slow ones alone: processes, chaos, end to end
	@$(BIN)/python -m pytest -m "$(SLOW)" -n $(JOBS) $(ARGS)

test-all: setup ## all that needs no key and no container engine
	@$(BIN)/python -m pytest -m "$(FREE)" -n $(JOBS) $(ARGS)

check: setup ## format, lint, types, imports; changes nothing
	@rc=0; \
	$(BIN)/ruff format --check --quiet . || rc=1; \
	$(BIN)/ruff check --quiet . || rc=1; \
	$(BIN)/mypy || rc=1; \
	$(BIN)/lint-imports --no-logo || rc=1; \
	exit $$rc

fmt: setup ## format, and mend what can be mended
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

chaos: setup ## kill processes of runs by seed; SEEDS="17 4711" names them, else all there are
	@PEERTEAM_CHAOS_SEEDS="$(SEEDS)" $(BIN)/python -m pytest tests/chaos/test_kills.py -n $(JOBS) $(ARGS)

soak: setup ## runs in a loop for MINUTES=30, and whether memory, files and consumers stay flat
	@$(BIN)/python -m tests.bench.soak --minutes $(MINUTES)

cover: setup ## branch coverage of the quick tests
	@$(BIN)/python -m pytest -m "$(QUICK)" -n $(JOBS) --cov --cov-report=term $(ARGS)

bench: setup ## measure
	@$(BIN)/python tests/bench/run.py $(ARGS)

codes: setup ## the table of codes in docs/policy.md, from the catalogue
	@$(BIN)/python -m tests.support.codes_table

matrix: setup ## the faults that are put in and what meets them, as docs/failure-modes.md has them
	@$(BIN)/python -m tests.support.faults

requirements: ## pin anew from pyproject.toml (needs uv; UPGRADE=1 takes the newest of everything)
	@if [ -z "$(UV)" ]; then echo "make requirements: needs uv (pip install uv, or UV=/path/to/uv)" >&2; exit 1; fi
	@for set in runtime dev bench; do \
	    case $$set in \
	        runtime) more= ;; \
	        dev) more="--all-extras --group dev --constraint requirements/runtime.txt" ;; \
	        bench) more="--group bench --constraint requirements/runtime.txt --constraint requirements/dev.txt" ;; \
	    esac; \
	    "$(UV)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --annotation-style line --custom-compile-command "make requirements" $(if $(UPGRADE),--upgrade) \
	        $$more --output-file requirements/$$set.txt pyproject.toml >/dev/null || exit 1; \
	    echo "requirements/$$set.txt: $$(grep -c '==' requirements/$$set.txt) packages"; \
	done

clean: ## remove what was built or cached, .venv too
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
