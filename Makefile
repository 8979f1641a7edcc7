# One command each: `make` installs, `make demo` shows, `make test` proves, `make check` is the fast loop.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check fast format lint docs lock bench clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $(STAMP)

demo: install
	$(BIN)/maild demo

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

fast: install
	$(BIN)/pytest -m "not flow and not interop"

# Side by side; what each says stays together.
check: install
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint fast

test: check
	$(BIN)/pytest -m "flow or interop"

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install
	$(BIN)/python -m maild.documents .

lock: pyproject.toml
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --extra dev --strip-extras --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml

bench: install
	$(BIN)/python -m bench.hop
	$(BIN)/python -m bench.small
	$(BIN)/python -m bench.road

clean:
	rm -rf $(VENV) build *.egg-info
