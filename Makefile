# make check    the standard ledger run and its figures
# make test     all tests
# Both install what they need into .venv first.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: install check test lint bench clean

install: .venv/installed

# MovieLens-100K is read from the recbole wheel; its own dependencies are old and not needed to read a file.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[data,dev,proofs]"
	$(BIN)/python -m pip install --quiet --no-deps recbole==1.2.1
	touch $@

check: install
	$(BIN)/lab check
	$(BIN)/lab figures

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: install
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv results build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
