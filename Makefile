# make audit     audit the embedded model as evenhand.toml says; prints where the report lies
# make test      everything a change must pass (about 15 minutes)
# make test-all  what `make test` leaves out: kills, fault storms, the browser matrix
# make lint      only the checks that read code: ruff, mypy, import-linter
# make clean     remove the environment and the caches of the tools; runs stay
#
# PYTHON=python3.12 picks the interpreter, PIP_ARGS what else pip is told (an index of
# your own, say).

PYTHON ?= python3
PIP_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# A file of tests a process, each on one core.
SIDE_BY_SIDE := OMP_NUM_THREADS=1
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.PHONY: audit test test-all lint model chromium clean
.DELETE_ON_ERROR:

# Ends well whatever the verdict: `evenhand gate` is what stops a release. The run folder is
# named after the settings, so a second call finds what the first one left.
audit: $(VENV)/.installed
	@$(BIN)/evenhand run --config evenhand.toml

test: lint model chromium
	@echo "pytest"
	@$(SIDE_BY_SIDE) $(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-all: $(VENV)/.dev model chromium
	@echo "pytest -m slow"
	@code=0; $(BIN)/python -m pytest -m slow || code=$$?; \
	if [ $$code -eq 5 ]; then echo "No test is marked slow."; else exit $$code; fi

lint: $(VENV)/.dev
	@echo "ruff check, ruff format --check, mypy, lint-imports"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Fetched and converted once into the user's cache; a moment's work when it lies there.
model: $(VENV)/.installed
	@$(BIN)/python -c "from audit.backends import embedded; embedded.ensure()"

chromium:
	@if command -v chromium >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "The tests open the report in chromium, which is not here: install it" >&2; \
	  echo "(on Debian: sudo apt-get install chromium fonts-dejavu-core), then make again." >&2; \
	  exit 1; \
	fi; \
	echo "Installing chromium, which the tests open the report in"; \
	log=$$(mktemp); \
	if apt-get update >"$$log" 2>&1 && DEBIAN_FRONTEND=noninteractive \
	  apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >>"$$log" 2>&1; \
	then rm -f "$$log"; else tail -n 20 "$$log" >&2; rm -f "$$log"; exit 1; fi

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "evenhand needs Python 3.11 or later as '$(PYTHON)'; name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed; on Debian its package is python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing evenhand and what it needs into $(VENV); the first time takes some minutes"
	@$(PIP) install $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing evenhand and the tools of its tests into $(VENV); the first time takes some minutes"
	@$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
